/*
 * The id of one client connection: 60 random bits, written in base32.
 */
#include "common/conn_id.h"

#include <openssl/rand.h>

#define CHARS (CONN_ID_TEXT_SIZE - 1)

/* Without i, l, o and u: people read these ids to each other over the telephone. */
static const char alphabet[33] = "0123456789abcdefghjkmnpqrstvwxyz";

enum err
conn_id_new(uint64_t *out)
{
	uint64_t id = 0;

	while (id == 0) {
		if (RAND_bytes((unsigned char *)&id, sizeof(id)) != 1)
			return ERR_CRYPTO;
		id >>= 64 - CONN_ID_BITS;
	}
	*out = id;
	return OK;
}

const char *
conn_id_text(uint64_t id, char out[CONN_ID_TEXT_SIZE])
{
	for (int i = CHARS - 1; i >= 0; i--) {
		out[i] = alphabet[id & 31];
		id >>= 5;
	}
	out[CHARS] = '\0';
	return out;
}

enum err
conn_id_parse(const char *text, uint64_t *out)
{
	uint64_t id = 0;

	if (strlen(text) != CHARS)
		return ERR_FORMAT;
	for (size_t i = 0; i < CHARS; i++) {
		const char *at = strchr(alphabet, text[i]);

		if (at == NULL)
			return ERR_FORMAT;
		id = id << 5 | (uint64_t)(at - alphabet);
	}
	if (id == 0)
		return ERR_FORMAT;
	*out = id;
	return OK;
}
