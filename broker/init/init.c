/*
 * "sshbrokerd init DIR".
 *
 * The configuration is written last: a folder that has one is complete.
 */
#include "broker/init/init.h"

#include "broker/init/init_config.h"
#include "broker/init/init_keys.h"
#include "common/file.h"
#include "common/ssh/keyfile.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_NAME "sshbroker.json"
/* Two per key, and the configuration. */
#define FILES_MAX (2 * (CONFIG_HOST_KEYS_MAX + 1) + 1)

struct arguments {
	const char *folder;
	char *imports[CONFIG_HOST_KEYS_MAX];
	size_t n_imports;
};

/* What was made so far, to be taken away if something fails. */
struct made {
	const char *folder;
	bool folder_is_new;
	char *files[FILES_MAX];
	size_t n_files;
};

static int
usage(void)
{
	fprintf(stderr, "usage: sshbrokerd init DIR [--import-host-key FILE]...\n");
	return 2;
}

static bool
parse_arguments(int argc, char **argv, struct arguments *out)
{
	*out = (struct arguments){0};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--import-host-key") == 0) {
			if (++i == argc || out->n_imports == CONFIG_HOST_KEYS_MAX)
				return false;
			out->imports[out->n_imports++] = argv[i];
		} else if (argv[i][0] == '-' || argv[i][0] == '\0' || out->folder != NULL) {
			return false;
		} else {
			out->folder = argv[i];
		}
	}
	return out->folder != NULL;
}

static enum err
fail_errno(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return ERR_IO;
}

/* *out is owned. */
static enum err
path_in(const char *folder, const char *name, const char *suffix, char **out)
{
	char *path;

	if (asprintf(&path, "%s/%s%s", folder, name, suffix) < 0)
		return ERR_NOMEM;
	*out = path;
	return OK;
}

/* Who can write the folder can replace the keys in it. */
static enum err
check_folder(const char *folder)
{
	struct stat st;

	if (stat(folder, &st) != 0)
		return fail_errno(folder);
	if (!S_ISDIR(st.st_mode)) {
		fprintf(stderr, "%s: is no folder\n", folder);
		return ERR_EXISTS;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		fprintf(stderr, "%s: belongs to another user, who can replace what is in it\n",
			folder);
		return ERR_DENIED;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		fprintf(stderr, "%s: others than its owner can write there: chmod go-w it\n",
			folder);
		return ERR_DENIED;
	}
	return OK;
}

static enum err
check_no_config(const char *folder)
{
	struct stat st;
	char *path;
	enum err e = path_in(folder, CONFIG_NAME, "", &path);

	if (e != OK)
		return e;
	if (lstat(path, &st) == 0) {
		fprintf(stderr, "%s: there is a configuration already; nothing was changed\n",
			path);
		e = ERR_EXISTS;
	}
	free(path);
	return e;
}

static enum err
make_folder(struct made *made)
{
	enum err e;

	if (mkdir(made->folder, 0755) == 0) {
		made->folder_is_new = true;
		/* Whatever the umask: the keys in it protect themselves, the public halves are for everybody. */
		return chmod(made->folder, 0755) == 0 ? OK : fail_errno(made->folder);
	}
	if (errno != EEXIST)
		return fail_errno(made->folder);
	e = check_folder(made->folder);
	return e == OK ? check_no_config(made->folder) : e;
}

static enum err
write_file(struct made *made, const char *name, const char *suffix, mode_t mode,
	const struct buf *content)
{
	char *path;
	enum err e = path_in(made->folder, name, suffix, &path);

	if (e != OK)
		return e;
	e = file_create(path, mode, buf_span(content));
	if (e == OK) {
		made->files[made->n_files++] = path;
		return OK;
	}
	fprintf(stderr, "%s: %s\n", path, e == ERR_IO ? strerror(errno) : err_text(e));
	free(path);
	return e;
}

/* The private half as NAME, the public half as NAME.pub. */
static enum err
write_key(struct made *made, const struct init_key *k)
{
	struct buf private = {0}, public = {0};
	enum err e = keyfile_write(k->key, "sshbroker", &private);

	if (e == OK)
		e = pubkey_write_line(privkey_public(k->key), &public);
	if (e == OK)
		e = buf_append(&public, "\n", 1);
	if (e == OK)
		e = write_file(made, k->name, "", 0600, &private);
	if (e == OK)
		e = write_file(made, k->name, ".pub", 0644, &public);
	buf_clear(&private);
	buf_clear(&public);
	return e;
}

static enum err
write_config(struct made *made, const struct init_keys *keys)
{
	struct buf text = {0};
	enum err e = init_config_write(keys, geteuid() == 0, &text);

	if (e == OK)
		e = write_file(made, CONFIG_NAME, "", 0644, &text);
	buf_clear(&text);
	return e;
}

static enum err
write_all(struct made *made, const struct init_keys *keys)
{
	enum err e = make_folder(made);

	for (size_t i = 0; i < keys->n_host && e == OK; i++)
		e = write_key(made, &keys->host[i]);
	if (e == OK)
		e = write_key(made, &keys->ca);
	if (e == OK)
		e = write_config(made, keys);
	return e;
}

static void
take_away(const struct made *made)
{
	for (size_t i = made->n_files; i > 0; i--)
		unlink(made->files[i - 1]);
	if (made->folder_is_new)
		rmdir(made->folder);
}

static void
say_key(const char *folder, const struct init_key *k)
{
	char fingerprint[KEY_FINGERPRINT_SIZE];
	const struct pubkey *public = privkey_public(k->key);

	key_fingerprint(pubkey_blob(public), fingerprint);
	printf("%s/%s: %s %s, %s%s\n", folder, k->name, key_type_name(pubkey_type(public)),
		fingerprint, k->origin != NULL ? "copied from " : "new",
		k->origin != NULL ? k->origin : "");
}

static void
say_what_was_made(const char *folder, const struct init_keys *keys)
{
	for (size_t i = 0; i < keys->n_host; i++)
		say_key(folder, &keys->host[i]);
	say_key(folder, &keys->ca);
	printf("%s/" CONFIG_NAME ": the configuration, with two nodes as an example\n", folder);
}

static void
say_next_steps_of_root(void)
{
	printf("  4. Let this machine's own sshd listen on another port than 22, which the broker "
	       "takes.\n");
	if (getpwnam("sshbroker-keyholder") == NULL)
		printf("  5. Make the users that the processes run as (roles.*_user):\n"
		       "     for role in director keyholder gate relay; do\n"
		       "       adduser --system --group --no-create-home sshbroker-$role; done\n");
}

static void
say_next_steps(const char *folder)
{
	printf("\nNext:\n"
	       "  1. Put your nodes into %s/" CONFIG_NAME
	       ": name, address and public host keys of each\n"
	       "     (on the node: cat /etc/ssh/ssh_host_*_key.pub).\n"
	       "  2. Let every node trust %s/user_ca_key.pub; node-setup does that.\n"
	       "  3. Check: sshbrokerd -t -c %s/" CONFIG_NAME "\n",
		folder, folder, folder);
	if (geteuid() == 0)
		say_next_steps_of_root();
	else
		printf("The broker listens on port 2222 and keeps its sockets in %s/run, since you "
		       "are not root.\n",
			folder);
}

static enum err
run(const struct arguments *a, struct made *made)
{
	struct init_keys keys;
	enum err e = init_keys_collect(&keys, a->imports, a->n_imports);

	if (e == OK)
		e = write_all(made, &keys);
	if (e == OK) {
		say_what_was_made(a->folder, &keys);
		say_next_steps(a->folder);
	} else {
		take_away(made);
	}
	init_keys_clear(&keys);
	return e;
}

int
init_main(int argc, char **argv)
{
	struct arguments a;
	struct made made = {0};
	enum err e;

	if (!parse_arguments(argc, argv, &a))
		return usage();
	made.folder = a.folder;
	e = run(&a, &made);
	/* Everything else was said where it happened. */
	if (e == ERR_NOMEM)
		fprintf(stderr, "%s\n", err_text(e));
	for (size_t i = 0; i < made.n_files; i++)
		free(made.files[i]);
	return e == OK ? 0 : 1;
}
