/*
 * SSH signature blobs: made with private keys, verified with public ones.
 */
#include "common/ssh/key_internal.h"
#include "common/ssh/key_sk.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>

/* No signature that we make or take is longer than the largest RSA modulus. */
#define SIGNATURE_MAX (KEY_RSA_BITS_MAX / 8)

struct sigalg {
	const char *name;
	const char *cert_name; /* the algorithm of a certificate whose key signs so */
	enum key_type type;
	const char *digest; /* NULL: the algorithm has its own */
};

static const struct sigalg sigalgs[] = {
	{"ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", KEY_ED25519, NULL},
	{"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com", KEY_ECDSA_P256,
		"SHA256"},
	{"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com", KEY_ECDSA_P384,
		"SHA384"},
	{"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com", KEY_ECDSA_P521,
		"SHA512"},
	{"sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com", KEY_SK_ED25519, NULL},
	{"sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
		KEY_SK_ECDSA, "SHA256"},
	{SIGALG_WEBAUTHN, "webauthn-sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", KEY_SK_ECDSA,
		"SHA256"},
	/* ssh-rsa-cert-v01@openssh.com stands for ssh-rsa, with SHA-1, which is none of ours. */
	{"rsa-sha2-512", "rsa-sha2-512-cert-v01@openssh.com", KEY_RSA, "SHA512"},
	{"rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com", KEY_RSA, "SHA256"},
};

const char *
sigalg_names(void)
{
	return "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
	       "sk-ssh-ed25519@openssh.com,sk-ecdsa-sha2-nistp256@openssh.com," SIGALG_WEBAUTHN
	       ",rsa-sha2-512,rsa-sha2-256";
}

const char *
sigalg_of_cert(struct span cert_algorithm)
{
	for (size_t i = 0; i < ARRAY_LEN(sigalgs); i++) {
		if (span_is(cert_algorithm, sigalgs[i].cert_name))
			return sigalgs[i].name;
	}
	return NULL;
}

static const struct sigalg *
find_sigalg(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(sigalgs); i++) {
		if (span_is(name, sigalgs[i].name))
			return &sigalgs[i];
	}
	return NULL;
}

enum key_type
sigalg_key_type(struct span sigalg)
{
	const struct sigalg *a = find_sigalg(sigalg);

	return a != NULL ? a->type : KEY_NONE;
}

/*
 * One of the two numbers of an ECDSA signature.  Leading zero bytes are taken, unlike anywhere
 * else: OpenSSH does, and hardware that writes numbers of fixed width works with it.
 */
static enum err
get_number(struct wire_reader *r, BIGNUM **out)
{
	struct span s;
	BIGNUM *n;

	if (wire_get_string_max(r, SIGNATURE_MAX, &s) != OK)
		return ERR_FORMAT;
	if (s.len > 0 && (s.ptr[0] & 0x80) != 0)
		return ERR_FORMAT;
	n = BN_bin2bn(s.ptr, (int)s.len, NULL);
	if (n == NULL)
		return ERR_NOMEM;
	*out = n;
	return OK;
}

/* "mpint r, mpint s" (RFC 5656 section 3.1.2) as an ECDSA_SIG, owned. */
static enum err
read_ecdsa_sig(struct span blob, ECDSA_SIG **out)
{
	struct wire_reader r = wire_reader_of(blob);
	BIGNUM *sig_r = NULL, *sig_s = NULL;
	ECDSA_SIG *sig = NULL;
	enum err e = get_number(&r, &sig_r);

	if (e == OK)
		e = get_number(&r, &sig_s);
	if (e == OK)
		e = wire_end(&r);
	if (e != OK)
		goto out;
	sig = ECDSA_SIG_new();
	if (sig == NULL || ECDSA_SIG_set0(sig, sig_r, sig_s) != 1) {
		ECDSA_SIG_free(sig);
		e = ERR_NOMEM;
		goto out;
	}
	*out = sig;
	return OK;
out:
	BN_free(sig_r);
	BN_free(sig_s);
	return e;
}

/*
 * Turn the SSH form of an ECDSA signature into the DER form that EVP wants, *len bytes (at most
 * SIGNATURE_MAX).
 */
static enum err
ecdsa_to_der(struct span blob, uint8_t *der, size_t *len)
{
	ECDSA_SIG *sig = NULL;
	enum err e = read_ecdsa_sig(blob, &sig);
	int need;

	if (e != OK)
		return e;
	need = i2d_ECDSA_SIG(sig, NULL);
	/* Numbers that large are no signature on any curve. */
	if (need <= 0 || need > SIGNATURE_MAX)
		e = ERR_SIGNATURE;
	else
		*len = (size_t)i2d_ECDSA_SIG(sig, &der);
	ECDSA_SIG_free(sig);
	return e;
}

/* Turn DER into the SSH form, appended to out. */
static enum err
ecdsa_from_der(struct span der, struct buf *out)
{
	uint8_t r[EC_COORDINATE_MAX], s[EC_COORDINATE_MAX];
	const uint8_t *p = der.ptr;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
	enum err e = ERR_CRYPTO;

	if (sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), r, sizeof(r)) >= 0 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), s, sizeof(s)) >= 0)
		e = wire_put_mpint(out, span_of(r, sizeof(r)));
	if (e == OK)
		e = wire_put_mpint(out, span_of(s, sizeof(s)));
	ECDSA_SIG_free(sig);
	return e;
}

/*
 * An RSA signature as long as the modulus.  Some signers strip leading zero bytes; OpenSSH puts
 * them back, and what logs in to a node directly shall log in through us.  (RFC 8332 section 3 has
 * no such thing.)
 */
static enum err
rsa_to_full_length(const struct pubkey *k, struct span blob, uint8_t *full, size_t *len)
{
	size_t modulus_len = (size_t)EVP_PKEY_get_size(k->pkey);

	if (blob.len == 0 || blob.len > modulus_len || modulus_len > SIGNATURE_MAX)
		return ERR_FORMAT;
	memset(full, 0, modulus_len - blob.len);
	memcpy(full + modulus_len - blob.len, blob.ptr, blob.len);
	*len = modulus_len;
	return OK;
}

/* The bytes that EVP verifies, from those inside the SSH signature blob; *len of SIGNATURE_MAX. */
static enum err
signature_to_evp(const struct pubkey *k, struct span blob, uint8_t *out, size_t *len)
{
	switch (key_desc(k->type)->family) {
	case FAMILY_ED25519:
		if (blob.len != ED25519_SIGNATURE_LEN)
			return ERR_FORMAT;
		memcpy(out, blob.ptr, blob.len);
		*len = blob.len;
		return OK;
	case FAMILY_ECDSA:
		return ecdsa_to_der(blob, out, len);
	case FAMILY_RSA:
		return rsa_to_full_length(k, blob, out, len);
	case FAMILY_NONE:
		break;
	}
	return ERR_UNSUPPORTED;
}

static enum err
evp_verify(EVP_PKEY *pkey, const char *digest, struct span data, struct span signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err e = ERR_CRYPTO;

	if (ctx != NULL &&
		EVP_DigestVerifyInit_ex(ctx, NULL, digest, NULL, NULL, pkey, NULL) == 1) {
		int ok = EVP_DigestVerify(ctx, signature.ptr, signature.len, data.ptr, data.len);

		e = ok == 1 ? OK : ERR_SIGNATURE;
	}
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

/* The numbers themselves, whatever the data are: blob is the inner string of a signature. */
static enum err
verify_blob(const struct pubkey *k, const struct sigalg *a, struct span data, struct span blob)
{
	uint8_t bytes[SIGNATURE_MAX];
	size_t len;
	enum err e = signature_to_evp(k, blob, bytes, &len);

	return e == OK ? evp_verify(k->pkey, a->digest, data, span_of(bytes, len)) : e;
}

static enum err
verify_sk(const struct pubkey *k, const struct sigalg *a, struct span data,
	const struct sk_signature *s)
{
	uint8_t bytes[SK_SIGNED_MAX];
	size_t len;
	enum err e = sk_signed_data(k, data, s, bytes, &len);

	return e == OK ? verify_blob(k, a, span_of(bytes, len), s->blob) : e;
}

enum err
pubkey_verify_sk(const struct pubkey *k, struct span sigalg, struct span data,
	struct span signature, struct sk_details *details)
{
	const struct sigalg *a = find_sigalg(sigalg);
	struct wire_reader r = wire_reader_of(signature);
	struct sk_signature s = {.is_webauthn = span_is(sigalg, SIGALG_WEBAUTHN)};
	struct span name;
	enum err e = OK;

	if (a == NULL || a->type != k->type)
		return ERR_UNSUPPORTED;
	if (wire_get_string(&r, &name) != OK || wire_get_string(&r, &s.blob) != OK)
		return ERR_FORMAT;
	if (key_type_is_sk(k->type))
		e = sk_signature_read(&r, &s);
	if (e != OK || wire_end(&r) != OK)
		return ERR_FORMAT;
	if (!span_equal(name, sigalg))
		return ERR_PROTO;
	e = key_type_is_sk(k->type) ? verify_sk(k, a, data, &s) : verify_blob(k, a, data, s.blob);
	if (e == OK)
		*details = s.details;
	return e;
}

enum err
pubkey_verify(const struct pubkey *k, struct span sigalg, struct span data, struct span signature)
{
	struct sk_details ignored;

	return pubkey_verify_sk(k, sigalg, data, signature, &ignored);
}

static enum err
evp_sign(EVP_PKEY *pkey, const char *digest, struct span data, uint8_t *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum err e = ERR_CRYPTO;

	if (ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, pkey, NULL) == 1 &&
		EVP_DigestSign(ctx, out, len, data.ptr, data.len) == 1)
		e = OK;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

/* Append the signature proper, in its SSH form. */
static enum err
write_signature(const struct privkey *k, const char *digest, struct span data, struct buf *out)
{
	uint8_t bytes[SIGNATURE_MAX];
	size_t len = sizeof(bytes);
	enum err e = evp_sign(k->pkey, digest, data, bytes, &len);

	if (e != OK)
		return e;
	if (key_desc(k->public->type)->family == FAMILY_ECDSA)
		return ecdsa_from_der(span_of(bytes, len), out);
	return buf_append(out, bytes, len);
}

enum err
privkey_sign(const struct privkey *k, struct span sigalg, struct span data, struct buf *out)
{
	const struct sigalg *a = find_sigalg(sigalg);
	size_t before = out->len;
	struct buf inner = {0};
	enum err e;

	if (a == NULL || a->type != k->public->type)
		return ERR_UNSUPPORTED;
	e = write_signature(k, a->digest, data, &inner);
	if (e == OK)
		e = wire_put_string(out, sigalg);
	if (e == OK)
		e = wire_put_string(out, buf_span(&inner));
	if (e != OK)
		buf_truncate(out, before);
	buf_clear(&inner);
	return e;
}
