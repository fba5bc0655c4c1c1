/* SPDX-License-Identifier: MIT
 *
 * Decimals, dates, times, UUIDs and NumPy's ticks: between their C form and CBOR, the same code for program and engine. What
 * arrives is checked here in full; what is to be sent is checked by the sb__check_ functions. */
#ifndef SB_CORE_SCALAR_H
#define SB_CORE_SCALAR_H

#include "core/cbor.h"
#include "core/frame.h"
#include <snakebridge.h>

/* ---- what is right ---- */

/* A Decimal's text as Python writes or reads it, without spaces and underscores; length and exponent are bounded. */
bool sb__is_decimal(const char *s, size_t n);
bool sb__is_date(sb_date d);
bool sb__is_time(sb_time t);
bool sb__is_datetime(const sb_datetime *d);
/* Carries into days; false: beyond 999999999 days. */
bool sb__timedelta_normal(sb_timedelta *d);
bool sb__is_ticks(sb_ticks t, bool date);

/* ---- to CBOR; right values only ---- */

void sb__put_decimal(struct sb_buf *b, const char *s, size_t n);
void sb__put_date(struct sb_buf *b, sb_date d);
void sb__put_time(struct sb_buf *b, sb_time t);
void sb__put_datetime(struct sb_buf *b, const sb_datetime *d);
void sb__put_timedelta(struct sb_buf *b, sb_timedelta d);
void sb__put_uuid(struct sb_buf *b, const uint8_t bytes[16]);
void sb__put_ticks(struct sb_buf *b, sb_ticks t, bool date);

/* ---- from CBOR; behind the tag. False: r->error ---- */

enum { SB_DECIMAL_ROOM = 64 };
/* The text is in `room` or in the frame. */
bool sb__read_decimal(struct sb_reader *r, uint64_t tag, char room[SB_DECIMAL_ROOM], const char **s,
                      size_t *n);
bool sb__read_date(struct sb_reader *r, sb_date *d);
bool sb__read_time(struct sb_reader *r, sb_time *t);
bool sb__read_datetime(struct sb_reader *r, uint64_t tag, sb_datetime *d);
bool sb__read_timedelta(struct sb_reader *r, sb_timedelta *d);
bool sb__read_uuid(struct sb_reader *r, sb_uuid *u);
bool sb__read_ticks(struct sb_reader *r, bool date, sb_ticks *t);

/* ---- NumPy's units ---- */

/* "D", "us"; "generic" for SB_UNIT_NONE. */
const char *sb__unit_name(sb_unit unit);
bool sb__unit_of(const char *name, size_t n, sb_unit *unit);
/* As Python's datetime (without a zone) or timedelta. False: not exactly one. */
bool sb__ticks_datetime(sb_ticks t, sb_datetime *d);
bool sb__ticks_timedelta(sb_ticks t, sb_timedelta *d);

#endif
