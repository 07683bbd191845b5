/*
 * Words why something is not so.
 */
#include "deploy/node/principals/why.h"

#include <stdarg.h>
#include <stdio.h>

void
why_set(char why[WHY_SIZE], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, WHY_SIZE, format, args);
	va_end(args);
}
