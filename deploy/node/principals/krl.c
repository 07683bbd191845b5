/*
 * OpenSSH's key revocation lists.
 *
 * A list is "bytes magic, u32 format, u64 version, u64 date, u64 flags, string reserved, string comment" and then
 * sections of "u8 type, string data", of which a signature has one string more.
 */
#include "deploy/node/principals/krl.h"

#include "common/ssh/wire.h"

#include <openssl/evp.h>

#define FORMAT 1

enum section {
	SECTION_CERTIFICATES = 1,
	SECTION_KEYS = 2,
	SECTION_SHA1 = 3,
	SECTION_SIGNATURE = 4,
	SECTION_SHA256 = 5,
	SECTION_EXTENSION = 255,
};

/* The key in the three forms that a list may have it in. */
struct wanted {
	struct span blob;
	uint8_t sha1[20];
	uint8_t sha256[32];
};

static enum err
hash(struct span blob, const EVP_MD *md, uint8_t *out)
{
	return EVP_Digest(blob.ptr, blob.len, out, NULL, md, NULL) == 1 ? OK : ERR_CRYPTO;
}

/* Strings, each of len bytes unless that is 0.  All are read, so that a broken list is noticed. */
static enum err
check_strings(struct span data, size_t len, struct span wanted)
{
	struct wire_reader r = wire_reader_of(data);
	enum err found = OK;

	while (wire_left(&r) > 0) {
		struct span one;

		if (wire_get_string(&r, &one) != OK || (len != 0 && one.len != len))
			return ERR_FORMAT;
		if (span_equal(one, wanted))
			found = ERR_DENIED;
	}
	return found;
}

static enum err
check_extension(struct span data)
{
	struct wire_reader r = wire_reader_of(data);
	struct span name, value;
	bool critical;

	if (wire_get_string(&r, &name) != OK || wire_get_bool(&r, &critical) != OK ||
		wire_get_string(&r, &value) != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	return critical ? ERR_UNSUPPORTED : OK;
}

static enum err
check_section(struct wire_reader *r, const struct wanted *w)
{
	struct span data, signature;
	uint8_t type;

	if (wire_get_u8(r, &type) != OK || wire_get_string(r, &data) != OK)
		return ERR_FORMAT;
	switch (type) {
	case SECTION_CERTIFICATES:
		return OK;
	case SECTION_KEYS:
		return check_strings(data, 0, w->blob);
	case SECTION_SHA1:
		return check_strings(data, sizeof(w->sha1), span_of(w->sha1, sizeof(w->sha1)));
	case SECTION_SHA256:
		return check_strings(
			data, sizeof(w->sha256), span_of(w->sha256, sizeof(w->sha256)));
	case SECTION_SIGNATURE:
		return wire_get_string(r, &signature);
	case SECTION_EXTENSION:
		return check_extension(data);
	default:
		return ERR_UNSUPPORTED;
	}
}

static enum err
read_header(struct wire_reader *r)
{
	struct span magic, reserved, comment;
	uint64_t number;
	uint32_t format;

	if (wire_get_bytes(r, KRL_MAGIC_LEN, &magic) != OK ||
		memcmp(magic.ptr, KRL_MAGIC, KRL_MAGIC_LEN) != 0 || wire_get_u32(r, &format) != OK)
		return ERR_FORMAT;
	if (format != FORMAT)
		return ERR_UNSUPPORTED;
	for (size_t i = 0; i < 3; i++) {
		if (wire_get_u64(r, &number) != OK)
			return ERR_FORMAT;
	}
	return wire_get_string(r, &reserved) == OK ? wire_get_string(r, &comment) : ERR_FORMAT;
}

enum err
krl_check(struct span krl, struct span blob)
{
	struct wire_reader r = wire_reader_of(krl);
	struct wanted w = {.blob = blob};
	bool found = false;
	enum err e = hash(blob, EVP_sha1(), w.sha1);

	if (e == OK)
		e = hash(blob, EVP_sha256(), w.sha256);
	if (e == OK)
		e = read_header(&r);
	while (e == OK && wire_left(&r) > 0) {
		e = check_section(&r, &w);
		if (e == ERR_DENIED) {
			found = true;
			e = OK;
		}
	}
	return e == OK && found ? ERR_DENIED : e;
}
