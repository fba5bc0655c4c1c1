/* Python from C: what is bound is listed in pyproject.toml; `uv add numpy` adds to it. */
#include <snakebridge.h>

#include "py/json.h"
#include "py/math.h"

int main(void)
{
    sb_session *py = sb_open(); /* Python starts on the first call */

    double root = py_math_sqrt(py, 2.0);
    sb_value both = SB_DICT(py, "root", root, "pi", py_math_pi(py));
    sb_str text = py_json_dumps(py, both, .indent = SB(2));
    puts(text.ptr);

    return sb_close(py); /* reports the first call that failed, with its line here */
}
