/* SPDX-License-Identifier: MIT
 *
 * config.c - `snakebridge config`: tells build tools where the headers, the library and the CMake package are, since
 * nothing finds a tool's environment by itself.
 */
#include "cli.h"
#include "parts.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "usage: snakebridge config --cmakedir | --pkgconfigdir | --cflags | --libs | --libs-static\n\n"
    "Prints, for a build tool:\n"
    "  --cmakedir      the folder of snakebridgeConfig.cmake, for snakebridge_DIR\n"
    "  --pkgconfigdir  the folder of snakebridge.pc, for $PKG_CONFIG_PATH\n"
    "  --cflags        compiler options\n"
    "  --libs          linker options; the program finds the library by its rpath\n"
    "  --libs-static   linker options for the static library\n\n"
    "Example:\n"
    "  cc main.c -Ibuild/snakebridge $(snakebridge config --cflags --libs) -o main\n";

int config_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "cmakedir", no_argument, NULL, 'c' },
        { "pkgconfigdir", no_argument, NULL, 'p' },
        { "cflags", no_argument, NULL, 'f' },
        { "libs", no_argument, NULL, 'l' },
        { "libs-static", no_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    char asked[16], why[512];
    size_t count = 0;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h' || option == '?')
            return cli_other(option, help, "config");
        if (count < sizeof asked)
            asked[count++] = (char)option;
    }
    if (count == 0 || optind < argc) {
        say_error("config needs to be asked for something, by options alone");
        return cli_other('?', help, "config");
    }
    parts p;
    if (parts_find(NULL, &p, why, sizeof why) < 0) {
        say_error("%s", why);
        parts_free(&p);
        return CLI_SYSTEM;
    }
    for (size_t i = 0; i < count; i++) {
        const char *gap = i ? " " : "";
        switch (asked[i]) {
        case 'c':
            printf("%s%s", gap, p.cmake);
            break;
        case 'p':
            printf("%s%s", gap, p.pkgconfig);
            break;
        case 'f':
            printf("%s-I%s", gap, p.include);
            break;
        case 'l':
            printf("%s-L%s -lsnakebridge -Wl,-rpath,%s", gap, p.lib, p.lib);
            break;
        default:
            printf("%s%s/libsnakebridge.a -pthread -ldl -lm", gap, p.lib);
            break;
        }
    }
    putchar('\n');
    parts_free(&p);
    return fflush(stdout) == 0 ? CLI_OK : CLI_SYSTEM;
}
