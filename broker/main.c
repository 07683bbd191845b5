/*
 * sshbrokerd: options, and which role this process is.
 */
#include "broker/director/director.h"
#include "broker/gate/gate.h"
#include "broker/init/init.h"
#include "broker/keyholder/keyholder.h"
#include "broker/relay/relay.h"
#include "broker/role/role.h"
#include "broker/supervisor/supervisor.h"
#include "common/config/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_PATH "/etc/sshbroker/sshbroker.json"
#define EXIT_USAGE 2

static const char usage[] =
	"usage: sshbrokerd [-t] [-c FILE]\n"
	"       sshbrokerd init DIR [--import-host-key FILE]...\n"
	"       sshbrokerd -h | -V\n"
	"\n"
	"Runs the SSH broker in the foreground, with the configuration in FILE\n"
	"(" CONFIG_PATH ").\n"
	"  -t    check the configuration and the files that it names, and exit\n"
	"  init  make DIR with a commented configuration and fresh keys\n"
	"See sshbrokerd(8).\n";

static const struct {
	enum role_kind kind;
	int (*main)(struct role *r);
} roles[] = {
	{ROLE_DIRECTOR, director_main},
	{ROLE_KEYHOLDER, keyholder_main},
	{ROLE_GATE, gate_main},
	{ROLE_RELAY, relay_main},
};

static int
run_role(const char *name)
{
	struct role *r;
	int code = 1;

	if (role_open(name, &r) != OK)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (roles[i].kind == role_kind(r))
			code = roles[i].main(r);
	}
	role_close(r);
	return code;
}

static int
print_usage(FILE *to, int code)
{
	(void)fputs(usage, to);
	return code;
}

int
main(int argc, char **argv)
{
	const char *config_path = CONFIG_PATH;
	bool test_only = false;
	int option;

	if (argc > 2 && strcmp(argv[1], "--role") == 0)
		return run_role(argv[2]);
	if (argc > 1 && strcmp(argv[1], "init") == 0)
		return init_main(argc - 1, argv + 1);
	while ((option = getopt(argc, argv, "c:thV")) != -1) {
		switch (option) {
		case 'c':
			config_path = optarg;
			break;
		case 't':
			test_only = true;
			break;
		case 'h':
			return print_usage(stdout, 0);
		case 'V':
			return puts("sshbrokerd " SSHBROKER_VERSION) < 0;
		default:
			return print_usage(stderr, EXIT_USAGE);
		}
	}
	if (optind != argc)
		return print_usage(stderr, EXIT_USAGE);
	return test_only ? config_test_main(config_path) : supervisor_main(config_path);
}
