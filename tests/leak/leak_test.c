/*
 * A test that passes and leaks: ./check runs it in the sanitized build to prove that a leak cannot pass unseen.  It is
 * no test of ours and is not run with them.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

Test(leak, is_seen_by_whoever_looks_for_it)
{
	char *volatile lost = malloc(17);

	cr_assert_not_null(lost);
	lost = NULL;
	cr_assert_null(lost);
}
