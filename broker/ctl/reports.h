/*
 * The answers of the admin API as text for people.
 */
#ifndef BROKER_CTL_REPORTS_H
#define BROKER_CTL_REPORTS_H

#include "common/err.h"

#include <cjson/cJSON.h>
#include <stdio.h>

/* Print one answer.  What a broker of another version does not say is shown as "-".  ERR_NOMEM. */
MUST_CHECK enum err report_status(const cJSON *answer, FILE *out);
MUST_CHECK enum err report_nodes(const cJSON *answer, FILE *out);
MUST_CHECK enum err report_users(const cJSON *answer, FILE *out);
MUST_CHECK enum err report_connections(const cJSON *answer, FILE *out);

#endif
