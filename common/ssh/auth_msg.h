/*
 * The messages of user authentication, parsed and written, for both roles.
 * (RFC 4252, RFC 4256, OpenSSH PROTOCOL section 3.1 for publickey-hostbound)
 *
 * All take and make whole payloads, the message number first.  Parsed spans borrow from the payload.  ERR_FORMAT from a
 * parser: another message, malformed, bytes left over, or longer than its maximum; a peer that sends such a thing is
 * disconnected, as OpenSSH does.  Texts are checked for NUL bytes only: for logs they go through log_printable().
 * Writers append; errors are those of buf_append, and the buffer is unchanged then.
 */
#ifndef COMMON_SSH_AUTH_MSG_H
#define COMMON_SSH_AUTH_MSG_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Maximums in bytes, for both directions. */
#define AUTH_USER_MAX 255
#define AUTH_NAME_MAX 64 /* a service, method or algorithm */
#define AUTH_METHODS_MAX 512 /* a list of methods */
#define AUTH_KEY_MAX ((size_t)64 * 1024) /* a public key or certificate */
#define AUTH_SIGNATURE_MAX ((size_t)16 * 1024)
#define AUTH_PASSWORD_MAX 4096
#define AUTH_LANGUAGE_MAX 255
#define AUTH_TEXT_MAX ((size_t)64 * 1024) /* a prompt, instruction or response */
#define AUTH_BANNER_MAX                                                                            \
	((size_t)256 * 1024) /* no less than a packet holds: OpenSSH sends and shows those */
/* As many prompts or responses as OpenSSH takes in one round. */
#define AUTH_PROMPTS_MAX 100

#define AUTH_SERVICE_USERAUTH "ssh-userauth"
#define AUTH_SERVICE_CONNECTION "ssh-connection"
#define AUTH_METHOD_HOSTBOUND "publickey-hostbound-v00@openssh.com"

enum auth_method {
	AUTH_NONE = 0, /* "none" */
	AUTH_PASSWORD,
	AUTH_PUBLICKEY, /* AUTH_METHOD_HOSTBOUND too */
	AUTH_KBDINT, /* keyboard-interactive */
	AUTH_OTHER, /* any other name; what follows the name was not looked at */
	AUTH_METHOD_COUNT
};

/* "publickey" and so on; NULL for AUTH_OTHER.  Static. */
const char *auth_method_name(enum auth_method method);

/* SSH_MSG_USERAUTH_REQUEST.  Plain data; members that do not belong to the method are zero. */
struct auth_request {
	struct span user;
	struct span service;
	struct span
		method; /* the name as sent; a writer takes it for AUTH_OTHER alone, and then writes no more */
	enum auth_method kind;

	/* AUTH_PUBLICKEY */
	bool has_signature; /* otherwise it asks whether the key would do */
	bool is_hostbound;
	struct span algorithm;
	struct span key;
	struct span host_key; /* the server's, as the client saw it; hostbound requests only */
	struct span signature;

	/* AUTH_PASSWORD */
	bool is_password_change;
	struct span password;
	struct span new_password;

	/* AUTH_KBDINT */
	struct span kbdint_language;
	struct span kbdint_submethods;
};

MUST_CHECK enum err auth_request_parse(struct span payload, struct auth_request *out);
/* Everything is sent as it stands in rq.  Holds a secret where rq does: wipe. */
MUST_CHECK enum err auth_request_write(const struct auth_request *rq, struct buf *out);

/*
 * Append the bytes that the signature of a publickey request covers: the session id, and the request up to the
 * signature (which is not looked at, nor is has_signature).  For a client's request to be verified and for one of our
 * own to be signed.  (RFC 4252 section 7)
 */
MUST_CHECK enum err auth_signed_data(
	struct span session_id, const struct auth_request *rq, struct buf *out);

/* SSH_MSG_USERAUTH_FAILURE */
struct auth_failure {
	struct span methods; /* that can continue, comma-separated */
	bool partial_success;
};
MUST_CHECK enum err auth_failure_parse(struct span payload, struct auth_failure *out);
MUST_CHECK enum err auth_failure_write(struct span methods, bool partial_success, struct buf *out);

/* SSH_MSG_USERAUTH_SUCCESS */
MUST_CHECK enum err auth_success_parse(struct span payload);
MUST_CHECK enum err auth_success_write(struct buf *out);

/* SSH_MSG_USERAUTH_BANNER */
struct auth_banner {
	struct span text;
	struct span language;
};
MUST_CHECK enum err auth_banner_parse(struct span payload, struct auth_banner *out);
MUST_CHECK enum err auth_banner_write(struct span text, struct span language, struct buf *out);

/* Message 60 means what the request before it asked for: one of the next three. */

/* SSH_MSG_USERAUTH_PK_OK */
struct auth_pk_ok {
	struct span algorithm;
	struct span key;
};
MUST_CHECK enum err auth_pk_ok_parse(struct span payload, struct auth_pk_ok *out);
MUST_CHECK enum err auth_pk_ok_write(struct span algorithm, struct span key, struct buf *out);

/* SSH_MSG_USERAUTH_PASSWD_CHANGEREQ */
struct auth_changereq {
	struct span prompt;
	struct span language;
};
MUST_CHECK enum err auth_changereq_parse(struct span payload, struct auth_changereq *out);
MUST_CHECK enum err auth_changereq_write(struct span prompt, struct span language, struct buf *out);

/*
 * SSH_MSG_USERAUTH_INFO_REQUEST and SSH_MSG_USERAUTH_INFO_RESPONSE, checked to be well-formed; they are passed on as
 * they are.  A response must answer as many prompts as were asked, or OpenSSH disconnects.  (RFC 4256 section 3.2, 3.4)
 */
struct auth_info_request {
	struct span name;
	struct span instruction;
	struct span language;
	uint32_t n_prompts; /* at most AUTH_PROMPTS_MAX */
};
MUST_CHECK enum err auth_info_request_parse(struct span payload, struct auth_info_request *out);
MUST_CHECK enum err auth_info_response_parse(struct span payload, uint32_t *n_responses);

/* SSH_MSG_SERVICE_REQUEST and SSH_MSG_SERVICE_ACCEPT (RFC 4253 section 10): the message number, a service's name. */
MUST_CHECK enum err auth_service_parse(uint8_t type, struct span payload, struct span *service);
MUST_CHECK enum err auth_service_write(uint8_t type, struct span service, struct buf *out);

#endif
