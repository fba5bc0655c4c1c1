/* re, json, pathlib, by typed bindings. */
#include <snakebridge.h>
#include "py/builtins.h"
#include "py/json.h"
#include "py/math.h"
#include "py/pathlib.h"
#include "py/re.h"
#include <string.h>

int main(int argc, char **argv)
{
    sb_session *py = sb_open(.exit_on_error = true);
    py_pathlib_Path path = py_pathlib_Path_new(py, ".", argc > 1 ? argv[1] : "conf.json");
    if (!py_pathlib_Path_exists(py, path)) {
        printf("no %s\n", py_pathlib_PurePath_name(py, path.as_PurePath).ptr);
        return sb_close(py) + 2;
    }
    sb_str text = py_pathlib_Path_read_text(py, path, .encoding = "utf-8");
    py_re_Pattern pairs =
        py_re_compile(py, "(\\w+)=(\\w+)", .flags = py_re_IGNORECASE | py_re_MULTILINE);
    SB_FOR(py, py_re_Match, m, py_re_Pattern_finditer(py, pairs, text)) {
        sb_str key = sb_as_str(py, py_re_Match_group(py, m, 1));
        if (strcmp(key.ptr, "skip") == 0)
            continue;
        printf("%s -> %s\n", key.ptr, sb_as_str(py, py_re_Match_group(py, m, 2)).ptr);
        if (strcmp(key.ptr, "last") == 0)
            break;
    }
    py_re_Match first = py_re_Pattern_search(py, pairs, text, .pos = 0);
    printf("first %s\n", sb_as_str(py, py_re_Match_group(py, first)).ptr);
    py_re_Match none = py_re_Pattern_search(py, pairs, "nothing");
    if (none.object.id == 0)
        puts("no match");
    sb_value all = py_re_Pattern_findall(py, pairs, text);
    printf("%zu: %s\n", sb_count(py, all), sb_to_str(py, all).ptr);
    sb_value found = SB_DICT(py, "ok", SB_TRUE, "file", "conf", "at", SB_LIST(py, 1, 2.5, SB_NONE));
    puts(py_json_dumps(py, found, .ensure_ascii = false, .indent = SB(2), .sort_keys = true).ptr);
    sb_value conf = py_json_loads(py, text);
    sb_value port = sb_get(py, conf, "port"), user = sb_get(py, conf, "user");
    printf("port %lld, user %s\n", (long long)sb_as_int(py, port),
           sb_is_unset(user) ? "unset" : sb_as_str(py, user).ptr);
    printf("%lld\n", (long long)py_math_gcd(py, 12, 18));
    puts(sb_to_str(py, py_sorted(py, SB_LIST(py, 3, 1, 2), .reverse = true)).ptr);
    /* The first error prints itself and ends the program. */
    py_json_loads(py, "{");
    puts("not reached");
    return sb_close(py);
}
