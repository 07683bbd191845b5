/*
 * common/ssh/mac: known answers, and what is refused.
 */
#include "common/ssh/mac.h"

#include "common/ssh/wire.h"
#include "tests/lib/hex_vector.h"

#include <criterion/criterion.h>

/*
 * RFC 4231, those cases whose keys are not longer than ours: HMAC fills a short key up with zeros, and what goes first into
 * the hash, four bytes of a sequence number, may as well be the data's first four.
 */
static const struct {
	const char *key, *data, *sha256, *sha512;
} cases[] = {
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
		"daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	{"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
		"dddddddddddddddddddd",
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		"fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
		"bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
	{"0102030405060708090a0b0c0d0e0f10111213141516171819",
		"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		"cdcdcdcdcdcdcdcdcdcd",
		"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
		"b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db"
		"a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"},
};

static void
code_is(enum mac_kind kind, const struct buf *key, const struct buf *data, const char *want)
{
	uint8_t padded[MAC_LEN_MAX] = {0}, code[MAC_LEN_MAX];
	struct span rest = span_of(data->data + 4, data->len - 4);
	uint32_t seq = wire_peek_u32(data->data);
	struct buf right = {0};
	struct mac *m;

	memcpy(padded, key->data, key->len);
	hex_read(want, &right);
	cr_assert_eq(right.len, mac_info(kind)->len);
	cr_assert_eq(mac_new(kind, padded, &m), OK);
	/* The key is there again for each code. */
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(mac_make(m, seq, rest, code), OK);
		cr_assert_eq(memcmp(code, right.data, right.len), 0, "%s", mac_info(kind)->name);
		cr_assert_eq(mac_check(m, seq, rest, code), OK);
		cr_assert_eq(mac_check(m, seq + 1, rest, code), ERR_MAC);
	}
	for (size_t bit = 0; bit < right.len * 8; bit++) {
		code[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(mac_check(m, seq, rest, code), ERR_MAC);
		code[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	mac_free(m);
	buf_clear(&right);
}

Test(mac, codes_are_those_of_rfc_4231)
{
	struct buf key = {0}, data = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		hex_read(cases[i].key, &key);
		hex_read(cases[i].data, &data);
		code_is(MAC_SHA2_256, &key, &data, cases[i].sha256);
		code_is(MAC_SHA2_256_ETM, &key, &data, cases[i].sha256);
		code_is(MAC_SHA2_512, &key, &data, cases[i].sha512);
		code_is(MAC_SHA2_512_ETM, &key, &data, cases[i].sha512);
	}
	buf_clear(&key);
	buf_clear(&data);
}

Test(mac, the_names_are_the_kinds)
{
	struct span list = span_str(mac_names()), name;
	size_t n = 0;

	for (; wire_namelist_next(&list, &name); n++) {
		enum mac_kind kind = mac_by_name(name);

		cr_assert_neq(kind, MAC_NONE);
		cr_assert(span_is(name, mac_info(kind)->name));
		cr_assert_leq(mac_info(kind)->len, MAC_LEN_MAX);
	}
	cr_assert_eq(n, MAC_KIND_COUNT - 1);
	cr_assert_eq(mac_by_name(span_str("none")), MAC_NONE);
	cr_assert_eq(mac_by_name(span_str("hmac-sha1")), MAC_NONE);
	cr_assert_eq(mac_by_name(span_str("hmac-sha2-256-etm")), MAC_NONE);
}

Test(mac, there_is_no_mac_of_kind_none)
{
	struct mac *m;

	cr_assert_eq(mac_new(MAC_NONE, NULL, &m), ERR_UNSUPPORTED);
	mac_free(NULL);
}
