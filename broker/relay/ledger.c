/*
 * The count of open channels.
 *
 * A channel is open from its CHANNEL_OPEN_CONFIRMATION until both sides have sent CHANNEL_CLOSE.  Who closes which
 * channel is not tracked, so that a connection costs 12 bytes whatever it opens: each pair of CLOSE messages, one per
 * side, ends one channel.  A side that sends too many spoils its own count only.
 */
#include "broker/relay/ledger.h"

#include "common/ssh/message.h"

static void
see_close(struct ledger *l, enum side from)
{
	enum side other = side_other(from);

	if (l->n_closing[other] == 0) {
		if (l->n_closing[from] < l->n_open)
			l->n_closing[from]++;
		return;
	}
	l->n_closing[other]--;
	if (l->n_open > 0)
		l->n_open--;
}

void
ledger_see(struct ledger *l, enum side from, uint8_t type)
{
	if (type == SSH_MSG_CHANNEL_OPEN_CONFIRMATION && l->n_open < UINT32_MAX)
		l->n_open++;
	if (type == SSH_MSG_CHANNEL_CLOSE)
		see_close(l, from);
}
