/* SPDX-License-Identifier: MIT
 *
 * The table that `snakebridge generate` writes for a program, for the tests here. */
#include <snakebridge.h>

static const char *const python_path[] = { SB_TEST_PATH, NULL };

const sb_project sb_project_ = {
    .size = sizeof(sb_project),
    .python = SB_TEST_PYTHON,
    .engine = SB_TEST_ENGINE,
    .python_path = python_path,
};
