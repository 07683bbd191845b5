/*
 * common/ssh/auth_msg: the messages of user authentication.  The bytes were laid out by hand from the formats in
 * RFC 4252, RFC 4256 and OpenSSH's PROTOCOL section 3.1.
 */
#include "common/ssh/auth_msg.h"
#include "common/ssh/message.h"
#include "common/ssh/packet.h"
#include "common/ssh/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A literal with its NUL bytes, as initializer of a struct span. */
#define BYTES(literal)                                                                             \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}
#define TEXT(literal) BYTES(literal)

#define START "\x32\0\0\0\5alice\0\0\0\16ssh-connection"
#define PUBLICKEY START "\0\0\0\11publickey"
#define HOSTBOUND START "\0\0\0\43publickey-hostbound-v00@openssh.com"
#define ED25519 "\0\0\0\13ssh-ed25519"

static const struct {
	const char *name;
	struct span bytes;
	struct auth_request is;
} requests[] = {
	{"none", BYTES(START "\0\0\0\4none"),
		{.user = TEXT("alice"), .service = TEXT("ssh-connection"), .method = TEXT("none")}},
	{"password", BYTES(START "\0\0\0\10password\0\0\0\0\7hunter2"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("password"),
			.kind = AUTH_PASSWORD,
			.password = TEXT("hunter2")}},
	{"password change", BYTES(START "\0\0\0\10password\1\0\0\0\3old\0\0\0\3new"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("password"),
			.kind = AUTH_PASSWORD,
			.is_password_change = true,
			.password = TEXT("old"),
			.new_password = TEXT("new")}},
	{"publickey query", BYTES(PUBLICKEY "\0" ED25519 "\0\0\0\4\0KEY"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("publickey"),
			.kind = AUTH_PUBLICKEY,
			.algorithm = TEXT("ssh-ed25519"),
			.key = BYTES("\0KEY")}},
	{"publickey signed", BYTES(PUBLICKEY "\1" ED25519 "\0\0\0\4\0KEY\0\0\0\3SIG"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("publickey"),
			.kind = AUTH_PUBLICKEY,
			.has_signature = true,
			.algorithm = TEXT("ssh-ed25519"),
			.key = BYTES("\0KEY"),
			.signature = TEXT("SIG")}},
	{"hostbound signed", BYTES(HOSTBOUND "\1" ED25519 "\0\0\0\4\0KEY\0\0\0\4HOST\0\0\0\3SIG"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT(AUTH_METHOD_HOSTBOUND),
			.kind = AUTH_PUBLICKEY,
			.has_signature = true,
			.is_hostbound = true,
			.algorithm = TEXT("ssh-ed25519"),
			.key = BYTES("\0KEY"),
			.host_key = TEXT("HOST"),
			.signature = TEXT("SIG")}},
	{"hostbound query", BYTES(HOSTBOUND "\0" ED25519 "\0\0\0\4\0KEY\0\0\0\4HOST"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT(AUTH_METHOD_HOSTBOUND),
			.kind = AUTH_PUBLICKEY,
			.is_hostbound = true,
			.algorithm = TEXT("ssh-ed25519"),
			.key = BYTES("\0KEY"),
			.host_key = TEXT("HOST")}},
	{"keyboard-interactive", BYTES(START "\0\0\0\24keyboard-interactive\0\0\0\0\0\0\0\3pam"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("keyboard-interactive"),
			.kind = AUTH_KBDINT,
			.kbdint_submethods = TEXT("pam")}},
	{"another", BYTES(START "\0\0\0\11hostbased"),
		{.user = TEXT("alice"),
			.service = TEXT("ssh-connection"),
			.method = TEXT("hostbased"),
			.kind = AUTH_OTHER}},
};

static bool
same_request(const struct auth_request *a, const struct auth_request *b)
{
	return span_equal(a->user, b->user) && span_equal(a->service, b->service) &&
		span_equal(a->method, b->method) && a->kind == b->kind &&
		a->has_signature == b->has_signature && a->is_hostbound == b->is_hostbound &&
		span_equal(a->algorithm, b->algorithm) && span_equal(a->key, b->key) &&
		span_equal(a->host_key, b->host_key) && span_equal(a->signature, b->signature) &&
		a->is_password_change == b->is_password_change &&
		span_equal(a->password, b->password) &&
		span_equal(a->new_password, b->new_password) &&
		span_equal(a->kbdint_language, b->kbdint_language) &&
		span_equal(a->kbdint_submethods, b->kbdint_submethods);
}

Test(auth_msg, requests_are_read_from_the_bytes_of_the_rfc)
{
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct auth_request rq;

		cr_assert_eq(
			auth_request_parse(requests[i].bytes, &rq), OK, "%s", requests[i].name);
		cr_assert(same_request(&rq, &requests[i].is), "%s", requests[i].name);
	}
}

Test(auth_msg, requests_are_written_as_the_bytes_of_the_rfc)
{
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct buf b = {0};

		cr_assert_eq(auth_request_write(&requests[i].is, &b), OK);
		cr_assert(span_equal(buf_span(&b), requests[i].bytes), "%s", requests[i].name);
		buf_clear(&b);
	}
}

/* Parse a copy of exactly this size, so that a sanitizer sees a read behind the end. */
static enum err
parse_copy(struct span s, enum err (*parse)(struct span))
{
	uint8_t *copy = malloc(s.len + 1);
	enum err e;

	memcpy(copy, s.ptr, s.len);
	copy = realloc(copy, s.len > 0 ? s.len : 1);
	e = parse(span_of(copy, s.len));
	free(copy);
	return e;
}

static enum err
request(struct span s)
{
	struct auth_request rq;

	return auth_request_parse(s, &rq);
}

Test(auth_msg, requests_cut_anywhere_or_too_long_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct span whole = requests[i].bytes;
		struct buf longer = {0};

		for (size_t len = 0; len < whole.len; len++)
			cr_assert_eq(parse_copy(span_of(whole.ptr, len), request), ERR_FORMAT,
				"%s cut to %zu", requests[i].name, len);
		/* What another method says is its own business. */
		if (requests[i].is.kind == AUTH_OTHER)
			continue;
		cr_assert(!buf_append_span(&longer, whole) && !buf_append(&longer, "", 1));
		cr_assert_eq(
			parse_copy(buf_span(&longer), request), ERR_FORMAT, "%s", requests[i].name);
		buf_clear(&longer);
	}
}

Test(auth_msg, nul_bytes_are_refused_where_openssh_disconnects)
{
	static const struct span bad[] = {
		BYTES("\x32\0\0\0\5ali\0e\0\0\0\16ssh-connection\0\0\0\4none"),
		BYTES("\x32\0\0\0\5alice\0\0\0\16ssh\0connection\0\0\0\4none"),
		BYTES(START "\0\0\0\5none\0"),
		BYTES(START "\0\0\0\10password\0\0\0\0\7hun\0er2"),
		BYTES(START "\0\0\0\10password\1\0\0\0\3old\0\0\0\3n\0w"),
		BYTES(PUBLICKEY "\0\0\0\0\13ssh-ed2551\0\0\0\0\4\0KEY"),
		BYTES(START "\0\0\0\24keyboard-interactive\0\0\0\0\0\0\0\3p\0m"),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		cr_assert_eq(request(bad[i]), ERR_FORMAT, "case %zu", i);
}

static struct span
repeated(struct buf *b, size_t n)
{
	buf_init(b, n);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_append(b, "a", 1), OK);
	return buf_span(b);
}

Test(auth_msg, every_length_has_its_maximum)
{
	static struct auth_request rq;
	static const struct {
		enum auth_method kind;
		struct span *member;
		size_t max;
	} cases[] = {
		{AUTH_NONE, &rq.user, AUTH_USER_MAX},
		{AUTH_NONE, &rq.service, AUTH_NAME_MAX},
		{AUTH_OTHER, &rq.method, AUTH_NAME_MAX},
		{AUTH_PUBLICKEY, &rq.algorithm, AUTH_NAME_MAX},
		{AUTH_PUBLICKEY, &rq.key, AUTH_KEY_MAX},
		{AUTH_PUBLICKEY, &rq.host_key, AUTH_KEY_MAX},
		{AUTH_PUBLICKEY, &rq.signature, AUTH_SIGNATURE_MAX},
		{AUTH_PASSWORD, &rq.password, AUTH_PASSWORD_MAX},
		{AUTH_PASSWORD, &rq.new_password, AUTH_PASSWORD_MAX},
		{AUTH_KBDINT, &rq.kbdint_language, AUTH_LANGUAGE_MAX},
		{AUTH_KBDINT, &rq.kbdint_submethods, AUTH_METHODS_MAX},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf value, out = {0};
		struct auth_request parsed;

		rq = (struct auth_request){.kind = cases[i].kind,
			.has_signature = true,
			.is_hostbound = true,
			.is_password_change = true};
		for (int over = 1; over >= 0; over--) {
			*cases[i].member = repeated(&value, cases[i].max + (over ? 1 : 0));
			cr_assert_eq(auth_request_write(&rq, &out), OK);
			cr_assert_eq(auth_request_parse(buf_span(&out), &parsed),
				over ? ERR_FORMAT : OK, "case %zu", i);
			buf_clear(&out);
			buf_clear(&value);
		}
	}
}

/* RFC 4252 section 7: the session id as a string, then the request with TRUE, without the signature. */
Test(auth_msg, what_is_signed_is_the_session_id_and_the_request_up_to_the_signature)
{
	static const struct span signed_bytes = BYTES(
		"\0\0\0\4SESS" PUBLICKEY "\1" ED25519 "\0\0\0\4\0KEY");
	static const struct span hostbound_bytes = BYTES(
		"\0\0\0\4SESS" HOSTBOUND "\1" ED25519 "\0\0\0\4\0KEY\0\0\0\4HOST");
	struct auth_request rq;
	struct buf b = {0};

	cr_assert_eq(auth_request_parse(requests[4].bytes, &rq), OK);
	cr_assert_eq(auth_signed_data(span_str("SESS"), &rq, &b), OK);
	cr_assert(span_equal(buf_span(&b), signed_bytes));
	buf_reset(&b);
	/* The same for a request that is not signed yet. */
	cr_assert_eq(auth_request_parse(requests[3].bytes, &rq), OK);
	cr_assert_eq(auth_signed_data(span_str("SESS"), &rq, &b), OK);
	cr_assert(span_equal(buf_span(&b), signed_bytes));
	buf_reset(&b);
	cr_assert_eq(auth_request_parse(requests[5].bytes, &rq), OK);
	cr_assert_eq(auth_signed_data(span_str("SESS"), &rq, &b), OK);
	cr_assert(span_equal(buf_span(&b), hostbound_bytes));
	buf_clear(&b);
}

Test(auth_msg, a_full_buffer_keeps_what_it_had)
{
	struct buf b;

	for (size_t max = 3; max < requests[5].bytes.len + 3; max++) {
		buf_init(&b, max);
		cr_assert_eq(buf_append(&b, "abc", 3), OK);
		cr_assert_eq(auth_request_write(&requests[5].is, &b), ERR_LIMIT);
		cr_assert_eq(auth_failure_write(requests[5].is.method, true, &b),
			max < 3 + 41 ? ERR_LIMIT : OK);
		if (max < 3 + 41)
			cr_assert_eq(b.len, 3);
		buf_clear(&b);
	}
}

static enum err
failure(struct span s)
{
	struct auth_failure f;

	return auth_failure_parse(s, &f);
}

static enum err
banner(struct span s)
{
	struct auth_banner b;

	return auth_banner_parse(s, &b);
}

static enum err
pk_ok(struct span s)
{
	struct auth_pk_ok ok;

	return auth_pk_ok_parse(s, &ok);
}

static enum err
changereq(struct span s)
{
	struct auth_changereq c;

	return auth_changereq_parse(s, &c);
}

static enum err
info_request(struct span s)
{
	struct auth_info_request rq;

	return auth_info_request_parse(s, &rq);
}

static enum err
info_response(struct span s)
{
	uint32_t n;

	return auth_info_response_parse(s, &n);
}

static enum err
service_request(struct span s)
{
	struct span service;

	return auth_service_parse(SSH_MSG_SERVICE_REQUEST, s, &service);
}

/* One well-formed message of each kind. */
static const struct {
	const char *name;
	enum err (*parse)(struct span);
	struct span bytes;
} answers[] = {
	{"failure", failure, BYTES("\x33\0\0\0\22publickey,password\1")},
	{"failure without methods", failure, BYTES("\x33\0\0\0\0\0")},
	{"success", auth_success_parse, BYTES("\x34")},
	{"banner", banner, BYTES("\x35\0\0\0\7Hello\r\n\0\0\0\2en")},
	{"pk ok", pk_ok, BYTES("\x3c" ED25519 "\0\0\0\4\0KEY")},
	{"changereq", changereq, BYTES("\x3c\0\0\0\7expired\0\0\0\0")},
	{"info request", info_request,
		BYTES("\x3c\0\0\0\3PAM\0\0\0\2Hi\0\0\0\0\0\0\0\2"
		      "\0\0\0\12Password: \0\0\0\0\6Name: \1")},
	{"info request without prompts", info_request,
		BYTES("\x3c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
	{"info response", info_response, BYTES("\x3d\0\0\0\2\0\0\0\2pw\0\0\0\0")},
	{"info response without answers", info_response, BYTES("\x3d\0\0\0\0")},
	{"service request", service_request, BYTES("\5\0\0\0\14ssh-userauth")},
};

Test(auth_msg, answers_are_taken_whole_and_alone)
{
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct span whole = answers[i].bytes;
		struct buf b = {0};

		cr_assert_eq(parse_copy(whole, answers[i].parse), OK, "%s", answers[i].name);
		for (size_t len = 0; len < whole.len; len++)
			cr_assert_eq(parse_copy(span_of(whole.ptr, len), answers[i].parse),
				ERR_FORMAT, "%s cut to %zu", answers[i].name, len);
		cr_assert(!buf_append_span(&b, whole) && !buf_append(&b, "", 1));
		cr_assert_eq(parse_copy(buf_span(&b), answers[i].parse), ERR_FORMAT, "%s",
			answers[i].name);
		/* Another message number. */
		buf_truncate(&b, whole.len);
		b.data[b.head] ^= 0x40;
		cr_assert_eq(parse_copy(buf_span(&b), answers[i].parse), ERR_FORMAT);
		buf_clear(&b);
	}
}

Test(auth_msg, what_answers_say_is_read)
{
	struct auth_failure f;
	struct auth_banner b;
	struct auth_pk_ok ok;
	struct auth_changereq c;
	struct auth_info_request rq;
	struct span service;
	uint32_t n;

	cr_assert_eq(auth_failure_parse(answers[0].bytes, &f), OK);
	cr_assert(span_is(f.methods, "publickey,password") && f.partial_success);
	cr_assert_eq(auth_failure_parse(answers[1].bytes, &f), OK);
	cr_assert(f.methods.len == 0 && !f.partial_success);
	cr_assert_eq(auth_banner_parse(answers[3].bytes, &b), OK);
	cr_assert(span_is(b.text, "Hello\r\n") && span_is(b.language, "en"));
	cr_assert_eq(auth_pk_ok_parse(answers[4].bytes, &ok), OK);
	cr_assert(span_is(ok.algorithm, "ssh-ed25519") && span_equal(ok.key, requests[3].is.key));
	cr_assert_eq(auth_changereq_parse(answers[5].bytes, &c), OK);
	cr_assert(span_is(c.prompt, "expired") && c.language.len == 0);
	cr_assert_eq(auth_info_request_parse(answers[6].bytes, &rq), OK);
	cr_assert(span_is(rq.name, "PAM") && span_is(rq.instruction, "Hi") && rq.n_prompts == 2);
	cr_assert_eq(auth_info_response_parse(answers[8].bytes, &n), OK);
	cr_assert_eq(n, 2);
	cr_assert_eq(auth_service_parse(SSH_MSG_SERVICE_REQUEST, answers[10].bytes, &service), OK);
	cr_assert(span_is(service, AUTH_SERVICE_USERAUTH));
}

Test(auth_msg, a_banner_may_fill_a_packet)
{
	static char text[PACKET_PAYLOAD_MAX - 1 - 4 - 4];
	struct buf b = {0};
	struct auth_banner read;

	memset(text, 'x', sizeof(text));
	cr_assert_eq(auth_banner_write(span_of(text, sizeof(text)), span_str(""), &b), OK);
	cr_assert_eq(b.len, PACKET_PAYLOAD_MAX);
	cr_assert_eq(auth_banner_parse(buf_span(&b), &read), OK);
	cr_assert_eq(read.text.len, sizeof(text));
	buf_clear(&b);
}

Test(auth_msg, answers_are_written_as_the_bytes_of_the_rfc)
{
	struct buf b = {0};

	cr_assert_eq(auth_failure_write(span_str("publickey,password"), true, &b), OK);
	cr_assert(span_equal(buf_span(&b), answers[0].bytes));
	buf_reset(&b);
	cr_assert_eq(auth_success_write(&b), OK);
	cr_assert(span_equal(buf_span(&b), answers[2].bytes));
	buf_reset(&b);
	cr_assert_eq(auth_banner_write(span_str("Hello\r\n"), span_str("en"), &b), OK);
	cr_assert(span_equal(buf_span(&b), answers[3].bytes));
	buf_reset(&b);
	cr_assert_eq(auth_pk_ok_write(span_str("ssh-ed25519"), requests[3].is.key, &b), OK);
	cr_assert(span_equal(buf_span(&b), answers[4].bytes));
	buf_reset(&b);
	cr_assert_eq(auth_changereq_write(span_str("expired"), span_str(""), &b), OK);
	cr_assert(span_equal(buf_span(&b), answers[5].bytes));
	buf_reset(&b);
	cr_assert_eq(
		auth_service_write(SSH_MSG_SERVICE_REQUEST, span_str(AUTH_SERVICE_USERAUTH), &b),
		OK);
	cr_assert(span_equal(buf_span(&b), answers[10].bytes));
	buf_clear(&b);
}

/* n empty prompts or responses, of each bytes. */
static void
put_round(struct buf *b, struct span start, uint32_t n, size_t each)
{
	cr_assert(!buf_append_span(b, start) && !wire_put_u32(b, n));
	for (size_t i = 0; i < n * each; i++)
		cr_assert_eq(wire_put_u8(b, 0), OK);
}

Test(auth_msg, a_round_has_at_most_as_many_prompts_as_openssh_takes)
{
	static const struct span rq = BYTES("\x3c\0\0\0\0\0\0\0\0\0\0\0\0"), rs = BYTES("\x3d");

	for (uint32_t n = AUTH_PROMPTS_MAX; n <= AUTH_PROMPTS_MAX + 1; n++) {
		enum err want = n > AUTH_PROMPTS_MAX ? ERR_FORMAT : OK;
		struct buf b = {0};

		put_round(&b, rq, n, 5);
		cr_assert_eq(info_request(buf_span(&b)), want);
		buf_reset(&b);
		put_round(&b, rs, n, 4);
		cr_assert_eq(info_response(buf_span(&b)), want);
		buf_clear(&b);
	}
}

Test(auth_msg, a_count_of_four_billion_prompts_is_refused_at_once)
{
	static const struct span rq = BYTES("\x3c\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff"),
				 rs = BYTES("\x3d\xff\xff\xff\xff");

	cr_assert_eq(info_request(rq), ERR_FORMAT);
	cr_assert_eq(info_response(rs), ERR_FORMAT);
}
