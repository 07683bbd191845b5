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

enum cert_section {
	CERT_SERIALS = 0x20,
	CERT_SERIAL_RANGE = 0x21,
	CERT_SERIAL_BITMAP = 0x22,
	CERT_KEY_IDS = 0x23,
	CERT_EXTENSION = 0x39,
};

/* A key in the three forms that a list may have it in. */
struct wanted_key {
	struct span blob;
	uint8_t sha1[20];
	uint8_t sha256[32];
};

struct wanted {
	struct wanted_key keys[2]; /* the user's and, with a certificate, its CA's */
	size_t n_keys;
	const struct cert *cert; /* NULL: none */
};

static enum err
hash(struct span blob, const EVP_MD *md, uint8_t *out)
{
	return EVP_Digest(blob.ptr, blob.len, out, NULL, md, NULL) == 1 ? OK : ERR_CRYPTO;
}

static enum err
want_key(struct wanted *w, struct span blob)
{
	struct wanted_key *k = &w->keys[w->n_keys++];
	enum err e = hash(blob, EVP_sha1(), k->sha1);

	k->blob = blob;
	return e == OK ? hash(blob, EVP_sha256(), k->sha256) : e;
}

/* The form of k that a section of this type has. */
static struct span
form_of(const struct wanted_key *k, uint8_t type)
{
	if (type == SECTION_SHA1)
		return span_of(k->sha1, sizeof(k->sha1));
	if (type == SECTION_SHA256)
		return span_of(k->sha256, sizeof(k->sha256));
	return k->blob;
}

/* Strings, hashes of one length.  All are read, so that a broken list is noticed. */
static enum err
check_keys(uint8_t type, struct span data, const struct wanted *w)
{
	struct wire_reader r = wire_reader_of(data);
	enum err found = OK;

	while (wire_left(&r) > 0) {
		struct span one;

		if (wire_get_string(&r, &one) != OK ||
			(type != SECTION_KEYS && one.len != form_of(&w->keys[0], type).len))
			return ERR_FORMAT;
		for (size_t i = 0; i < w->n_keys; i++) {
			if (span_equal(one, form_of(&w->keys[i], type)))
				found = ERR_DENIED;
		}
	}
	return found;
}

/* Is the certificate's serial number from low to high?  0 is that of a CA which gives none: no list may name it. */
static enum err
check_range(const struct cert *c, uint64_t low, uint64_t high)
{
	uint64_t serial;

	if (low == 0 || low > high)
		return ERR_FORMAT;
	if (c == NULL)
		return OK;
	serial = cert_fields(c)->serial;
	return low <= serial && serial <= high ? ERR_DENIED : OK;
}

static enum err
check_serials(struct wire_reader *r, const struct cert *c)
{
	enum err found = OK;

	while (wire_left(r) > 0) {
		uint64_t serial;
		enum err e;

		if (wire_get_u64(r, &serial) != OK)
			return ERR_FORMAT;
		e = check_range(c, serial, serial);
		if (e == ERR_FORMAT)
			return e;
		if (e == ERR_DENIED)
			found = e;
	}
	return found;
}

static enum err
check_serial_range(struct wire_reader *r, const struct cert *c)
{
	uint64_t low, high;

	if (wire_get_u64(r, &low) != OK || wire_get_u64(r, &high) != OK || wire_end(r) != OK)
		return ERR_FORMAT;
	return check_range(c, low, high);
}

static bool
bit_is_set(struct span number, uint64_t n)
{
	return n / 8 < number.len && (number.ptr[number.len - 1 - n / 8] >> (n % 8) & 1) != 0;
}

/* A number whose bit n, counted from its low end, stands for the serial number first + n. */
static enum err
check_bitmap(struct wire_reader *r, const struct cert *c)
{
	uint64_t first, serial;
	struct span bits;

	if (wire_get_u64(r, &first) != OK || wire_get_mpint(r, &bits) != OK || wire_end(r) != OK)
		return ERR_FORMAT;
	if (first == 0 && bit_is_set(bits, 0))
		return ERR_FORMAT;
	if (c == NULL)
		return OK;
	serial = cert_fields(c)->serial;
	return serial >= first && bit_is_set(bits, serial - first) ? ERR_DENIED : OK;
}

static enum err
check_key_ids(struct wire_reader *r, const struct cert *c)
{
	enum err found = OK;

	while (wire_left(r) > 0) {
		struct span id;

		if (wire_get_string(r, &id) != OK)
			return ERR_FORMAT;
		if (c != NULL && span_equal(id, cert_fields(c)->key_id))
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
check_cert_section(uint8_t type, struct span data, const struct cert *c)
{
	struct wire_reader r = wire_reader_of(data);

	switch (type) {
	case CERT_SERIALS:
		return check_serials(&r, c);
	case CERT_SERIAL_RANGE:
		return check_serial_range(&r, c);
	case CERT_SERIAL_BITMAP:
		return check_bitmap(&r, c);
	case CERT_KEY_IDS:
		return check_key_ids(&r, c);
	case CERT_EXTENSION:
		return check_extension(data);
	default:
		return ERR_UNSUPPORTED;
	}
}

/* "string CA, string reserved", and sections of a kind of their own; an empty CA means all of them. */
static enum err
check_certificates(struct span data, const struct cert *c)
{
	struct wire_reader r = wire_reader_of(data);
	struct span ca, reserved;
	enum err found = OK;

	if (wire_get_string(&r, &ca) != OK || wire_get_string(&r, &reserved) != OK)
		return ERR_FORMAT;
	if (c != NULL && ca.len > 0 && !span_equal(ca, pubkey_blob(cert_ca_key(c))))
		c = NULL;
	while (wire_left(&r) > 0) {
		struct span section;
		uint8_t type;
		enum err e;

		if (wire_get_u8(&r, &type) != OK || wire_get_string(&r, &section) != OK)
			return ERR_FORMAT;
		e = check_cert_section(type, section, c);
		if (e == ERR_DENIED)
			found = e;
		else if (e != OK)
			return e;
	}
	return found;
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
		return check_certificates(data, w->cert);
	case SECTION_KEYS:
	case SECTION_SHA1:
	case SECTION_SHA256:
		return check_keys(type, data, w);
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
krl_check(struct span krl, struct span blob, const struct cert *cert)
{
	struct wire_reader r = wire_reader_of(krl);
	struct wanted w = {.cert = cert};
	bool found = false;
	enum err e = want_key(&w, blob);

	if (e == OK && cert != NULL)
		e = want_key(&w, pubkey_blob(cert_ca_key(cert)));
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
