/*
 * The compiler attributes that our contracts use.
 */
#ifndef COMMON_ATTR_H
#define COMMON_ATTR_H

/* The caller must look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* printf-like: format is argument number f, its values start at argument a. */
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
