/*
 * That a session id is new.
 *
 * The words follow from the keys and the time, not from chance, so that logins that wait for a new keyholder go on with it.
 * What that one cannot know is what was seen before it: in its first minutes an exchange of the last minutes could be shown
 * again.
 */
#include "broker/keyholder/fresh.h"

#include "common/ssh/message.h"
#include "common/ssh/wire.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct seen {
	struct table_entry entry; /* by hash */
	uint64_t period; /* of its word */
	struct kex_hash hash;
};

enum err
fresh_init(struct fresh *f)
{
	return table_init(&f->seen, FRESH_SEEN_MAX);
}

static void
drop_first(struct fresh *f)
{
	struct seen *seen = TABLE_OWNER(f->seen.first, struct seen, entry);

	table_remove(&f->seen, &seen->entry);
	free(seen);
}

void
fresh_clear(struct fresh *f)
{
	while (f->seen.first != NULL)
		drop_first(f);
	table_clear(&f->seen);
}

/* --- words --- */

static uint64_t
period_of(const struct fresh_query *q)
{
	return q->now_s / FRESH_PERIOD_S;
}

/* How many periods a word counts: a client may take its time until the first exchange, and the gate hears of a new word late. */
static uint64_t
periods_max(const struct fresh_query *q)
{
	return q->login_grace_s / FRESH_PERIOD_S + 2;
}

static enum err
word_of(const struct fresh_query *q, uint64_t period, uint8_t out[KEXINIT_COOKIE_START_SIZE])
{
	struct span key = keys_word_key(q->keys);
	uint8_t mac[EVP_MAX_MD_SIZE];
	size_t mac_len = 0;
	struct buf text = {0};
	enum err e = wire_put_u64(&text, period);

	if (e == OK)
		e = wire_put_u32(&text, q->gate->index);
	if (e == OK)
		e = wire_put_u32(&text, (uint32_t)q->gate->pid);
	if (e == OK &&
		EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.ptr, key.len, text.data, text.len,
			mac, sizeof(mac), &mac_len) == NULL)
		e = ERR_CRYPTO;
	if (e == OK)
		memcpy(out, mac, KEXINIT_COOKIE_START_SIZE);
	buf_clear(&text);
	return e;
}

enum err
fresh_word(const struct fresh_query *q, uint8_t out[KEXINIT_COOKIE_START_SIZE])
{
	return word_of(q, period_of(q), out);
}

/* When the word at the start of the cookie was given out. */
static enum err
find_period(const struct fresh_query *q, struct span kexinit, uint64_t *out)
{
	uint8_t word[KEXINIT_COOKIE_START_SIZE];
	uint64_t now = period_of(q);

	if (kexinit.len < 1 + sizeof(word))
		return ERR_FORMAT;
	for (uint64_t ago = 0; ago <= periods_max(q) && ago <= now; ago++) {
		enum err e = word_of(q, now - ago, word);

		if (e != OK)
			return e;
		if (memcmp(kexinit.ptr + 1, word, sizeof(word)) == 0) {
			*out = now - ago;
			return OK;
		}
	}
	return ERR_TIMEOUT;
}

/* --- exchanges --- */

/* An older one may stand behind a newer one: it goes with it, later than it could. */
static void
drop_old(struct fresh *f, const struct fresh_query *q)
{
	while (f->seen.first != NULL &&
		TABLE_OWNER(f->seen.first, struct seen, entry)->period + periods_max(q) <
			period_of(q))
		drop_first(f);
}

static enum err
remember(struct fresh *f, uint64_t period, const struct kex_hash *hash)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	enum err e;

	if (seen == NULL)
		return ERR_NOMEM;
	seen->period = period;
	seen->hash = *hash;
	e = table_add(&f->seen, &seen->entry, span_of(seen->hash.bytes, seen->hash.len));
	if (e != OK)
		free(seen);
	return e;
}

enum err
fresh_admit(struct fresh *f, const struct fresh_query *q, struct span kexinit,
	const struct kex_hash *hash)
{
	uint64_t period;
	enum err e = find_period(q, kexinit, &period);

	if (e != OK)
		return e;
	drop_old(f, q);
	return remember(f, period, hash);
}
