/*
 * What the user showed to the broker: a key, or a certificate for one.
 */
#include "deploy/node/principals/shown.h"

#include "common/ssh/wire.h"
#include "deploy/node/principals/from_match.h"
#include "deploy/node/principals/revoked.h"

#define SK_PREFIX "sk-"
#define RSA_TYPE "ssh-rsa"
#define RSA_CERT_TYPE "ssh-rsa-cert-v01@openssh.com"
#define SK_ECDSA_TYPE "sk-ecdsa-sha2-nistp256@openssh.com"
#define SK_ECDSA_CERT_TYPE "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define WEBAUTHN_CERT "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"
#define NAME_SIZE 128

static enum err
deny(char *why, const char *words)
{
	why_set(why, "%s", words);
	return ERR_DENIED;
}

static bool
begins_with(struct span s, const char *prefix)
{
	return s.len >= strlen(prefix) && memcmp(s.ptr, prefix, strlen(prefix)) == 0;
}

/* A certificate by the broker's own CA is none that a user was given. */
static enum err
read_cert(const struct settings *s, struct shown *shown, char *why)
{
	enum err e = cert_parse(shown->blob, &shown->cert);

	if (e == OK)
		e = cert_options_read(cert_fields(shown->cert), &shown->options);
	if (e != OK) {
		why_set(why, "the user's certificate: %s", err_text(e));
		return ERR_DENIED;
	}
	if (settings_trusts(s, pubkey_blob(cert_ca_key(shown->cert))))
		return deny(why, "the user's certificate is one of the broker's");
	shown->key = pubkey_blob(cert_key(shown->cert));
	return OK;
}

/* Only a security key tells more with its proof, and only one kind of them signs for browsers. */
static enum err
check_flags(const struct facts *f, const struct shown *shown, char *why)
{
	if (f->flags == 0)
		return OK;
	if (!shown->is_sk)
		return deny(why, "the facts are not those of such a key");
	if ((f->flags & FACTS_WEBAUTHN) != 0 && !span_is(shown->type, SK_ECDSA_TYPE) &&
		!span_is(shown->type, SK_ECDSA_CERT_TYPE))
		return deny(why, "the facts are not those of such a security key");
	return OK;
}

enum err
shown_read(const struct settings *s, const struct facts *f, struct shown *out, char why[WHY_SIZE])
{
	struct wire_reader r = wire_reader_of(f->key);
	struct shown shown = {.blob = f->key, .key = f->key};
	enum err e = OK;

	if (wire_get_string(&r, &shown.type) != OK || shown.type.len == 0)
		return deny(why, "the user's key cannot be read");
	shown.is_sk = begins_with(shown.type, SK_PREFIX);
	if (cert_is_type_name(shown.type))
		e = read_cert(s, &shown, why);
	if (e == OK)
		e = check_flags(f, &shown, why);
	if (e == OK)
		*out = shown;
	else
		shown_clear(&shown);
	return e;
}

void
shown_clear(struct shown *s)
{
	cert_free(s->cert);
	*s = (struct shown){0};
}

static bool
list_has(const char *list, struct span name)
{
	char text[NAME_SIZE];

	if (name.len >= sizeof(text) || memchr(name.ptr, '\0', name.len) != NULL)
		return false;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	return from_match_list(text, list);
}

/* The algorithm that sshd would look for in PubkeyAcceptedAlgorithms; the broker has checked the signature. */
static bool
algorithm_is_accepted(const char *accepted, const struct facts *f, const struct shown *shown)
{
	bool is_cert = shown->cert != NULL;

	if (accepted == NULL)
		return true;
	if (span_is(shown->type, RSA_TYPE))
		return from_match_list("rsa-sha2-256", accepted) ||
			from_match_list("rsa-sha2-512", accepted);
	if (span_is(shown->type, RSA_CERT_TYPE))
		return from_match_list("rsa-sha2-256-cert-v01@openssh.com", accepted) ||
			from_match_list("rsa-sha2-512-cert-v01@openssh.com", accepted);
	if ((f->flags & FACTS_WEBAUTHN) != 0)
		return from_match_list(is_cert ? WEBAUTHN_CERT : SIGALG_WEBAUTHN, accepted);
	return list_has(accepted, shown->type);
}

static size_t
bit_length(struct span magnitude)
{
	size_t bits = magnitude.len * 8;

	for (uint8_t mask = 0x80; magnitude.len > 0 && mask != 0; mask >>= 1, bits--) {
		if ((magnitude.ptr[0] & mask) != 0)
			break;
	}
	return bits;
}

static bool
rsa_is_long_enough(struct span key, unsigned bits_min)
{
	struct wire_reader r = wire_reader_of(key);
	struct span type, exponent, modulus;

	if (wire_get_string(&r, &type) != OK || !span_is(type, RSA_TYPE))
		return true;
	return wire_get_mpint(&r, &exponent) == OK && wire_get_mpint(&r, &modulus) == OK &&
		bit_length(modulus) >= bits_min;
}

/* What sshd asks of a certificate before it looks for somebody who trusts its CA, and of its time. */
static enum err
check_cert(const struct settings *s, const struct cert *c, uint64_t now, char *why)
{
	if (s->ca_algorithms != NULL && !list_has(s->ca_algorithms, cert_ca_sigalg(c)))
		return deny(why, "CASignatureAlgorithms does not have that of the certificate");
	if (now < cert_fields(c)->valid_after)
		return deny(why, "the user's certificate is not valid yet");
	if (!cert_is_valid_at(c, now))
		return deny(why, "the user's certificate is expired");
	/* OpenSSH before 10.3 takes one without principals for everybody, where authorized_keys trusts its CA. */
	if (cert_fields(c)->principals.len == 0)
		return deny(why, "the user's certificate has no principals");
	return OK;
}

enum err
shown_check(const struct settings *s, const struct facts *f, const struct shown *shown,
	uint64_t now, char why[WHY_SIZE])
{
	enum err e = OK;

	if (!algorithm_is_accepted(s->pubkey_algorithms, f, shown))
		return deny(why, "PubkeyAcceptedAlgorithms does not have the user's type of key");
	if (!rsa_is_long_enough(shown->key, s->rsa_bits_min)) {
		why_set(why, "the user's RSA key is shorter than %u bits", s->rsa_bits_min);
		return ERR_DENIED;
	}
	if (shown->cert != NULL)
		e = check_cert(s, shown->cert, now, why);
	for (size_t i = 0; i < s->revoked_keys.n && e == OK; i++)
		e = revoked_check(s->revoked_keys.items[i], shown->key, shown->cert, why);
	return e;
}
