/*
 * Certificates from any bytes.  A signature hardly ever verifies here, so that the structure is
 * walked by itself too, and what it says is asked as if it had verified.
 */
#include "common/ssh/cert_internal.h"
#include "common/ssh/cert_options.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lists that were checked are walked to their end. */
static void
on_options(struct span list)
{
	struct span rest = list, name, data;
	unsigned n = 0;
	char text[64];

	while (cert_next_option(&rest, &name, &data)) {
		enum err e;

		assert(++n <= CERT_OPTIONS_MAX);
		if (name.len >= sizeof(text))
			continue;
		memcpy(text, name.ptr, name.len);
		text[name.len] = '\0';
		e = cert_find_option(list, text, &data);
		assert(e == OK || e == ERR_FORMAT);
	}
	assert(rest.len == 0);
}

static void
on_walked(const struct cert_walk *w)
{
	struct span rest = w->fields.principals, name;
	struct cert_options options;
	unsigned n = 0;

	while (cert_next_string(&rest, &name))
		assert(++n <= CERT_PRINCIPALS_MAX);
	assert(rest.len == 0);
	on_options(w->fields.critical_options);
	on_options(w->fields.extensions);
	if (cert_options_read(&w->fields, &options) == OK)
		assert(w->fields.kind == CERT_USER);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char fingerprint[KEY_FINGERPRINT_SIZE];
	struct cert_walk w;
	struct cert *c;

	if (cert_walk(span_of(data, size), &w) == OK)
		on_walked(&w);
	if (cert_parse(span_of(data, size), &c) == OK) {
		assert(span_equal(cert_blob(c), span_of(data, size)));
		cert_free(c);
	}
	cert_fingerprint(span_of(data, size), fingerprint);
	return 0;
}
