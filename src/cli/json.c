/* SPDX-License-Identifier: MIT
 *
 * json.c - values to JSON and back. jansson reads the arguments and quotes strings; numbers are written here, since
 * JSON's integers have any size and jansson's have 64 bits. Depth is bounded by the library's own limit on values.
 */
#include "json.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static sb_value from_json(sb_session *py, const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        sb_value v = sb_list_new(py, SB_DICT_, json_object_size(j));
        json_object_foreach((json_t *)j, key, item) sb_put(py, &v, key, from_json(py, item));
        return v;
    }
    case JSON_ARRAY: {
        size_t i;
        json_t *item;
        sb_value v = sb_list_new(py, SB_LIST_, json_array_size(j));
        json_array_foreach(j, i, item) sb_push(py, &v, from_json(py, item));
        return v;
    }
    case JSON_STRING:
        return sb_from_str((sb_str) { json_string_value(j), json_string_length(j) });
    case JSON_INTEGER:
        return sb_from_int(json_integer_value(j));
    case JSON_REAL:
        return sb_from_double(json_real_value(j));
    case JSON_TRUE:
        return SB_TRUE;
    case JSON_FALSE:
        return SB_FALSE;
    case JSON_NULL:
    default:
        return SB_NONE;
    }
}

sb_value json_argument(sb_session *py, const char *text, json_t **keep)
{
    const char *digits = text + (*text == '-');
    *keep = json_loads(text, JSON_DECODE_ANY, NULL);
    if (*keep)
        return from_json(py, *keep);
    size_t count = strspn(digits, "0123456789");
    if (count && !digits[count] && (*digits != '0' || count == 1))
        return sb_from_digits(text);
    return sb_from_cstr(text);
}

static void write_text(FILE *to, const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);
    if (!string || json_dumpf(string, to, JSON_ENCODE_ANY) < 0)
        fputs("null", to); /* what is not UTF-8 never comes out of a value */
    json_decref(string);
}

static void write_double(FILE *to, double x)
{
    if (isnan(x)) {
        fputs("\"NaN\"", to);
    } else if (isinf(x)) {
        fputs(x < 0 ? "\"-Infinity\"" : "\"Infinity\"", to);
    } else {
        char text[40];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, x);
            if (strtod(text, NULL) == x)
                break;
        }
        fputs(text, to);
        if (!strpbrk(text, ".e"))
            fputs(".0", to);
    }
}

static void write_value(sb_session *py, FILE *to, sb_value v);

static void write_as_text(sb_session *py, FILE *to, sb_value v)
{
    SB_SCOPE(py);
    sb_str text = sb_to_str(py, v);
    write_text(to, text.ptr, text.len);
}

static void write_items(sb_session *py, FILE *to, sb_value v)
{
    for (size_t i = 0; i < v.as.items.len; i++) {
        fputs(i ? ", " : "", to);
        write_value(py, to, v.as.items.ptr[i]);
    }
}

static void write_dict(sb_session *py, FILE *to, sb_value v)
{
    fputc('{', to);
    for (size_t i = 0; i < v.as.items.len; i++) {
        const sb_value *pair = v.as.items.ptr + 2 * i;
        fputs(i ? ", " : "", to);
        if (pair[0].kind == SB_STR_)
            write_text(to, pair[0].as.str.ptr, pair[0].as.str.len);
        else
            write_as_text(py, to, pair[0]);
        fputs(": ", to);
        write_value(py, to, pair[1]);
    }
    fputc('}', to);
}

static void write_value(sb_session *py, FILE *to, sb_value v)
{
    switch ((int)v.kind) {
    case SB_NONE_:
    case SB_UNSET:
    case SB_FAILED_:
        fputs("null", to);
        break;
    case SB_BOOL_:
        fputs(v.as.b ? "true" : "false", to);
        break;
    case SB_INT_:
        fprintf(to, "%" PRId64, v.as.i);
        break;
    case SB_UINT_:
        fprintf(to, "%" PRIu64, v.as.u);
        break;
    case SB_BIGINT_:
        fwrite(v.as.str.ptr, 1, v.as.str.len, to);
        break;
    case SB_FLOAT_:
        write_double(to, v.as.f);
        break;
    case SB_COMPLEX_:
        fputc('[', to);
        write_double(to, v.as.complex_[0]);
        fputs(", ", to);
        write_double(to, v.as.complex_[1]);
        fputc(']', to);
        break;
    case SB_STR_:
    case SB_KEYWORD_:
        write_text(to, v.as.str.ptr, v.as.str.len);
        break;
    case SB_LIST_:
    case SB_TUPLE_:
    case SB_SET_:
    case SB_FROZENSET_:
    case SB_NAMEDTUPLE_:
        fputc('[', to);
        write_items(py, to, v);
        fputc(']', to);
        break;
    case SB_ENUM_:
        write_value(py, to, v.as.items.ptr[0]);
        break;
    case SB_DICT_:
        write_dict(py, to, v);
        break;
    case SB_ARRAY_: {
        SB_SCOPE(py);
        sb_value list = sb_fetch(py, sb_method(py, v, "tolist"));
        write_value(py, to, list);
        break;
    }
    case SB_BYTES_:
    case SB_OBJECT_:
    default:
        write_as_text(py, to, v);
        break;
    }
}

int json_write(sb_session *py, FILE *to, sb_value v)
{
    write_value(py, to, v);
    fputc('\n', to);
    return ferror(to) ? -1 : 0;
}
