"""node-setup on a node of its own: what it writes, that it can be run again and undone, and what it refuses."""
import pytest

from lib import keys, proc
from lib.sshd import HELPER, NodeError, Sshd

pytestmark = pytest.mark.skipif(proc.is_sanitized(), reason="a shell script has nothing that sanitizers would see")

BASE = "Include /etc/ssh/sshd_config.d/*.conf\nHostKey /etc/ssh/ssh_host_ed25519_key\nUsePAM yes\n"
SNIPPET = "/etc/ssh/sshd_config.d/50-sshbroker.conf"
SETTINGS = "/etc/ssh/sshbroker/principals.conf"
CA_KEYS = "/etc/ssh/sshbroker/user_ca_keys"


class Bare:
    """A node whose sshd is not started; every test begins with nothing installed and the configuration BASE."""

    def __init__(self, folder):
        self.node = Sshd(folder / "setup", "n1")
        ca = keys.make_key(folder, "setup-ca")
        self.ca = keys.public(ca)
        self.node.install_helper(proc.program("sshbroker-principals"), self.ca + "\n")
        self.args = self.node.helper[:-1]  # without --helper-stderr
        self.run, self.write = self.node.run, self.node.write
        self.pam = self.read("/etc/pam.d/sshd")

    def reset(self):
        self.run("sh", "-c", "rm -rf /etc/ssh/sshbroker /etc/ssh/sshd_config.d/*; chmod 755 /usr/local/libexec"
                 f" && rm -f {HELPER} /usr/local/sbin/sshd")
        self.config(BASE)
        self.write("/etc/pam.d/sshd", self.pam)

    def config(self, text, path="/etc/ssh/sshd_config"):
        self.write(path, text)

    def read(self, path):
        return self.run("cat", path).decode()

    def setup(self, *more):
        return self.node.setup(*self.args, *more)

    def good(self, *more):
        status, words = self.setup(*more)
        assert status == 0, words
        return words

    def refused(self, *more):
        """What it says; nothing may be there afterwards."""
        before = self.everything()
        status, words = self.setup(*more)
        assert status == 1, words
        assert self.everything() == before
        return words

    def everything(self):
        """All files that it could have written."""
        return self.run("sh", "-c", "find /etc/ssh /usr/local -type f -newer /etc/hosts -exec stat -c '%n %a %u' {} + |"
                        " sort; cat /etc/ssh/sshd_config.d/* /etc/ssh/sshbroker/* 2>/dev/null || true")

    def effective(self):
        return dict(line.split(" ", 1) for line in self.run("/usr/sbin/sshd", "-T").decode().splitlines() if " " in line)


@pytest.fixture(scope="module")
def shared_bare(temp):
    if not proc.program("sshbroker-principals"):
        pytest.skip("sshbroker-principals does not exist in the build folder (SSHBROKER_BUILD)")
    bare = Bare(temp)
    yield bare
    bare.node.stop()


@pytest.fixture
def bare(shared_bare):
    shared_bare.reset()
    return shared_bare


def test_sshd_asks_the_helper_afterwards(bare):
    words = bare.good()
    for path in (HELPER, SETTINGS, CA_KEYS, SNIPPET):
        assert f"written: {path}" in words
    now = bare.effective()
    assert now["authorizedprincipalscommand"] == f"{HELPER} %u %h %i %F %k"
    assert now["authorizedprincipalscommanduser"] == "%u"
    assert now["trustedusercakeys"] == CA_KEYS
    assert now["permituserenvironment"] == "SSHBROKER_*"
    assert int(now["maxstartups"].split(":")[0]) >= 256
    assert bare.ca in bare.read(CA_KEYS)
    settings = bare.read(SETTINGS).splitlines()
    assert "node n1" in settings and f"ca_key {bare.ca}" in settings and "strict_modes yes" in settings
    assert "authorized_keys_file .ssh/authorized_keys" in settings


def test_a_second_run_changes_nothing(bare):
    bare.good()
    before = bare.everything()
    words = bare.good()
    assert words.count("already so:") == 4 and "written:" not in words and "told" not in words
    assert bare.everything() == before


def test_a_dry_run_changes_nothing(bare):
    before = bare.everything()
    assert bare.good("--dry-run").count("would write:") == 4
    assert bare.everything() == before
    bare.good()
    before = bare.everything()
    assert bare.node.setup("--remove", "--dry-run")[1].count("would remove:") == 4
    assert bare.everything() == before


def test_remove_leads_back(bare):
    before, effective = bare.everything(), bare.effective()
    bare.good()
    assert bare.effective() != effective
    status, words = bare.node.setup("--remove")
    assert status == 0 and words.count("removed:") == 4
    assert bare.everything() == before and bare.effective() == effective
    assert bare.run("sh", "-c", "ls -d /etc/ssh/*/") == b"/etc/ssh/sshd_config.d/\n"
    assert bare.node.setup("--remove")[1].count("already gone:") == 4


def test_it_follows_what_sshd_does(bare):
    bare.config(BASE + "AuthorizedKeysFile /etc/keys/%u .ssh/k\nAuthorizedKeysCommand /bin/keys %u %k\n"
                "AuthorizedKeysCommandUser %u\nStrictModes no\nUseDNS yes\nPubkeyAcceptedAlgorithms ssh-ed25519*\n"
                "PubkeyAuthOptions verify-required\nTrustedUserCAKeys /etc/ssh/other_ca.pub\n"
                "AuthorizedPrincipalsFile .ssh/principals\nPermitUserEnvironment LANG\nMaxStartups 1000:30:2000\n")
    bare.write("/etc/ssh/other_ca.pub", "ssh-ed25519 OTHER of the others\n")
    words = bare.good("--allow-user", "root", "--previous-command", "/bin/principals %u")
    settings = bare.read(SETTINGS).splitlines()
    for line in ("authorized_keys_file /etc/keys/%u", "authorized_keys_file .ssh/k",
                 "authorized_keys_command /bin/keys %u %k", "strict_modes no", "use_dns yes", "verify_required yes",
                 "previous_principals_file .ssh/principals", "previous_principals_command /bin/principals %u",
                 "allow_user root"):
        assert line in settings
    assert "note: UseDNS" in words
    now = bare.effective()
    assert (now["trustedusercakeys"], now["authorizedprincipalsfile"]) == (CA_KEYS, "none")
    assert now["permituserenvironment"] == "LANG,SSHBROKER_*"
    assert now["maxstartups"] == "1000:30:2000"
    assert "ssh-ed25519 OTHER of the others" in bare.read(CA_KEYS)
    # And what it wrote itself does not count as what was there before.
    assert bare.good("--allow-user", "root", "--previous-command", "/bin/principals %u").count("already so:") == 4
    bare.config(BASE)
    bare.good("--previous-command", "none")
    assert "OTHER" not in bare.read(CA_KEYS) and "previous" not in bare.read(SETTINGS)


def test_permit_user_environment_is_left_alone_where_it_permits_all(bare):
    bare.config(BASE + "PermitUserEnvironment yes\n")
    bare.good()
    assert bare.effective()["permituserenvironment"] == "yes"


# What it refuses, and the word that allows it.

REFUSED = [
    ("Match Address 10.0.0.0/8\n PermitRootLogin yes", "--allow-match-address"),
    ("Match User a,b Host *.example.com\n X11Forwarding no", "--allow-match-address"),
    ("Match LocalAddress 10.0.0.1\n X11Forwarding no", "--allow-match-address"),
    ("match group x localport 22\n X11Forwarding no", "--allow-match-address"),
    ('"Match" Address 10.0.0.1\n X11Forwarding no', "--allow-match-address"),
    ("Match=Address 10.0.0.1\n X11Forwarding no", "--allow-match-address"),
    ("Match User a\n AuthorizedKeysFile /x", "--allow-match-keys"),
    ("Match Group a\n PubkeyAcceptedKeyTypes ssh-ed25519", "--allow-match-keys"),
    ("Match User a\n TrustedUserCAKeys /x", "--allow-match-keys"),
    ("AllowUsers a b@10.0.0.*", "--allow-user-hosts"),
    ("DenyUsers *@10.0.0.1", "--allow-user-hosts"),
    ("Match Group x\n AllowUsers a@10.0.0.1", "--allow-user-hosts"),
    ("PermitRootLogin yes", "--allow-root-password"),
    ("AuthorizedKeysCommand /bin/x\nAuthorizedKeysCommandUser nobody", "--run-commands-as-user"),
]


@pytest.mark.parametrize("lines,flag", REFUSED)
def test_what_would_not_hold_is_refused_unless_allowed(bare, lines, flag):
    bare.config(f"{BASE}{lines}\n")
    assert f"({flag})" in bare.refused().replace("prohibit-password is safe; ", "(")
    bare.good(flag)


def test_included_files_are_read(bare):
    bare.config("Match User x\n X11Forwarding no\n", "/etc/ssh/sshd_config.d/10-match.conf")
    bare.config("Include /etc/ssh/more/*.conf\nX11Forwarding yes\n", "/etc/ssh/sshd_config.d/20-more.conf")
    bare.config("AllowUsers a@b c\n", "/etc/ssh/more/one.conf")
    assert "/etc/ssh/more/one.conf: allowusers a@b c" in bare.refused()
    # A Match ends with its file.
    bare.config("AuthorizedKeysFile .ssh/k\n", "/etc/ssh/more/one.conf")
    bare.good()
    bare.config("Match User x\n Include /etc/ssh/more/*.conf\n", "/etc/ssh/sshd_config.d/20-more.conf")
    assert "authorizedkeysfile within a Match block" in bare.refused()


@pytest.mark.parametrize("lines", [
    "Match User a,b\n ForceCommand /bin/x\n ChrootDirectory /srv", "Match all\n X11Forwarding no", "AllowUsers a b*",
    "Match User host\n X11Forwarding no", "PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password", "# Match Address 10.0.0.1", "AllowGroups a@b"])
def test_what_does_not_matter_is_not_refused(bare, lines):
    bare.config(f"{BASE}{lines}\n")
    bare.good()


@pytest.mark.parametrize("line", [
    "account required pam_access.so", "auth required pam_rhosts.so",
    "account [success=1 default=ignore] pam_succeed_if.so rhost in 10.0.0.1"])
def test_pam_rules_about_addresses_are_refused(bare, line):
    bare.write("/etc/pam.d/scenario-rules", f"# comment\n{line}\n")
    bare.write("/etc/pam.d/sshd", bare.pam + "@include scenario-rules\n@include none-there\n")
    assert "(--allow-pam-address)" in bare.refused()
    bare.good("--allow-pam-address")
    bare.config(BASE.replace("UsePAM yes", "UsePAM no"))
    bare.good()


@pytest.mark.parametrize("lines,words", [
    ("PubkeyAuthentication no", "PubkeyAuthentication is off"),
    ("PubkeyAcceptedAlgorithms ssh-ed25519", "no ssh-ed25519-cert-v01@openssh.com"),
    ("CASignatureAlgorithms rsa-sha2-512", "CASignatureAlgorithms has no ssh-ed25519"),
    ("AuthorizedKeysCommand /bin/x %C\nAuthorizedKeysCommandUser %u", "a token that the helper does not know"),
    ("RevokedKeys /etc/ssh/none-there", "is not there"),
    ("AuthorizedPrincipalsCommand /bin/x %u\nAuthorizedPrincipalsCommandUser %u", "--previous-command '/bin/x %u'")])
def test_what_cannot_work_is_refused(bare, lines, words):
    bare.config(f"{BASE}{lines}\n")
    assert words in bare.refused()


def test_a_list_of_revoked_keys_must_be_readable_for_users(bare):
    bare.config(f"{BASE}RevokedKeys /etc/ssh/secret/revoked\n")
    bare.write("/etc/ssh/secret/revoked", "", mode=0o600)
    assert "users cannot read it" in bare.refused()
    bare.run("chmod", "644", "/etc/ssh/secret/revoked")
    bare.run("chmod", "700", "/etc/ssh/secret")
    assert "users cannot enter /etc/ssh/secret" in bare.refused()
    bare.run("chmod", "711", "/etc/ssh/secret")
    bare.good()


@pytest.mark.parametrize("change", ["chmod g+w /usr/local/libexec", "chmod o+w /etc/ssh/sshd_config.d",
                                    "chown daemon /etc/ssh"])
def test_paths_that_others_can_write_are_refused(bare, change):
    bare.run("sh", "-c", change)
    try:
        assert "others can write it" in bare.refused()
    finally:
        bare.run("sh", "-c", "chmod 755 /usr/local/libexec /etc/ssh/sshd_config.d; chown root /etc/ssh")
    bare.good()


@pytest.mark.parametrize("config,words", [
    (BASE.replace("Include", "#Include"), "at the top of"),
    (f"TrustedUserCAKeys /etc/ssh/x\n{BASE}", "stands before"),
    (f"AuthorizedKeysCommand /bin/x\nAuthorizedKeysCommandUser %u\n{BASE}", "AuthorizedKeysCommand stands before")])
def test_a_snippet_that_would_not_count_is_refused(bare, config, words):
    bare.config(config)
    if "TrustedUserCAKeys" in config:
        bare.write("/etc/ssh/x", "")
    assert words in bare.refused()


def test_an_sshd_that_is_broken_already_is_left_alone(bare):
    bare.config(BASE + "Nonsense yes\n")
    assert "does not take its configuration" in bare.refused()


def test_a_user_with_the_name_of_our_principal_is_refused(bare):
    bare.run("sh", "-c", "cp /etc/passwd /etc/passwd.kept; echo 'sshbroker-v1:x:7000:7000::/:/bin/sh' >>/etc/passwd")
    try:
        assert "there is a user sshbroker-v1" in bare.refused()
    finally:
        bare.run("mv", "/etc/passwd.kept", "/etc/passwd")


@pytest.mark.parametrize("args,words", [
    ([], "are needed"), (["--ca"], "needs a value"), (["--nonsense"], "not known"),
    (["--ca", "/none", "--node", "n", "--broker", "::1"], "cannot be read"),
    (["--ca", "/etc/hostname", "--node", "n", "--broker", "::1"], "no public key"),
    (["--ca", "/etc/ssh/broker_ca.pub", "--node", "n", "--broker", "example.com"], "is no address"),
    (["--ca", "/etc/ssh/broker_ca.pub", "--node", "n", "--broker", "::1", "--allow-user", "nobody-here"], "no such user")])
def test_mistakes_in_the_command_are_told(bare, args, words):
    status, said = bare.node.setup(*args)
    assert status == 1 and words in said


# An sshd of another age, or one that fails: the real one, with another word in what it says.

def other_sshd(bare, script):
    """The flag for an sshd that runs this script; $REAL is the real one."""
    bare.write("/usr/local/sbin/sshd", f'#!/bin/sh\nREAL=/usr/sbin/sshd\n{script}\n', mode=0o755)
    return ["--sshd", "/usr/local/sbin/sshd"]


def test_the_older_name_of_the_accepted_algorithms_is_known(bare):
    """PubkeyAcceptedKeyTypes, before OpenSSH 8.5."""
    flags = other_sshd(bare, '"$REAL" "$@" | sed s/^pubkeyacceptedalgorithms/pubkeyacceptedkeytypes/')
    bare.config(BASE + "PubkeyAcceptedAlgorithms ssh-ed25519,ssh-ed25519-cert-v01@openssh.com\n")
    bare.good(*flags)
    assert "pubkey_algorithms ssh-ed25519,ssh-ed25519-cert-v01@openssh.com" in bare.read(SETTINGS)
    bare.config(BASE + "PubkeyAcceptedAlgorithms ssh-ed25519\n")
    assert "no ssh-ed25519-cert-v01@openssh.com" in bare.setup(*flags)[1]


def test_keywords_in_mixed_case_are_known(bare):
    """As sshd -T writes them from OpenSSH 10.5 on."""
    flags = other_sshd(bare, '"$REAL" "$@" >/run/out || exit; sed "s/^[a-z]*/\\U&/" /run/out')
    bare.config(BASE + "StrictModes no\nRevokedKeys /etc/ssh/revoked\n")
    bare.write("/etc/ssh/revoked", "")
    bare.good(*flags)
    settings = bare.read(SETTINGS).splitlines()
    assert "strict_modes no" in settings and "revoked_keys /etc/ssh/revoked" in settings
    bare.config(BASE + "Nonsense yes\n")
    assert "does not take its configuration" in bare.setup(*flags)[1]


def test_several_lists_of_revoked_keys_are_known(bare):
    """From OpenSSH 10 on."""
    flags = other_sshd(bare, '"$REAL" "$@" >/run/out || exit; sed "s|^revokedkeys .*|& /etc/ssh/revoked2|" /run/out')
    bare.config(BASE + "RevokedKeys /etc/ssh/revoked\n")
    bare.write("/etc/ssh/revoked", "")
    assert "/etc/ssh/revoked2 is not there" in bare.refused(*flags)
    bare.write("/etc/ssh/revoked2", "", mode=0o600)
    assert "RevokedKeys /etc/ssh/revoked2: users cannot read it" in bare.refused(*flags)
    bare.run("chmod", "644", "/etc/ssh/revoked2")
    bare.good(*flags)
    settings = bare.read(SETTINGS).splitlines()
    assert "revoked_keys /etc/ssh/revoked" in settings and "revoked_keys /etc/ssh/revoked2" in settings


def test_an_sshd_without_include_is_refused_in_words(bare):
    """Before OpenSSH 8.2."""
    flags = other_sshd(bare, '! grep -qi ^include "$4" 2>/dev/null || { echo "Bad configuration option: Include" >&2; exit 255; }\n'
                       '[ "$1" = -T ] && exec "$REAL" -T -f "$3" "$4" "$5" || exec "$REAL" "$@"'.replace('"$4" 2>', '"$3" 2>'))
    bare.config(BASE.replace("Include", "#Include"))
    assert "has no Include" in bare.refused(*flags)


def test_what_sshd_does_not_take_leaves_everything_as_it_was(bare):
    """Not the snippet alone: the settings and the CA keys belong to it."""
    bare.good()
    before = bare.everything()
    flags = other_sshd(bare, '[ "$1" != -t ] && exec "$REAL" "$@"\nexit 1')
    status, words = bare.setup(*flags, "--allow-user", "root")
    assert status == 1 and "as it was before" in words
    bare.run("rm", "/usr/local/sbin/sshd")
    assert bare.everything() == before
    bare.reset()
    before = bare.everything()
    flags = other_sshd(bare, '[ "$1" != -t ] && exec "$REAL" "$@"\nexit 1')
    assert bare.setup(*flags)[0] == 1
    bare.run("rm", "/usr/local/sbin/sshd")
    assert bare.everything() == before


# Where keys and principals come from.

@pytest.mark.parametrize("lines,words", [
    ('AuthorizedKeysFile "/etc/ssh/my keys/%u"', "blanks or escapes in a path"),
    ("AuthorizedKeysFile '.ssh/my keys'", "blanks or escapes in a path"),
    ("AuthorizedKeysFile /etc/ssh/ssh_host_*", "wildcards"),
    ("AuthorizedKeysFile .ssh/keys.d/[a-z]", "wildcards"),
    ("AuthorizedPrincipalsFile /etc/ssh/principals/*", "wildcards"),
    ("Match User a\n RequiredRSASize 4096", "(--allow-match-keys)")])
def test_keys_that_the_helper_would_look_for_elsewhere_are_refused(bare, lines, words):
    bare.config(f"{BASE}{lines}\n")
    assert words in bare.refused()


def test_a_previous_command_is_checked_as_one_of_sshd(bare):
    assert "a token that the helper does not know" in bare.refused("--previous-command", "/bin/x %C")
    assert "not an absolute path" in bare.refused("--previous-command", "x %u")


def test_a_previous_command_is_not_forgotten(bare):
    """Without it, any name that another CA certifies would do."""
    bare.good("--previous-command", "/bin/principals %u")
    before = bare.everything()
    status, words = bare.setup()
    assert status == 1 and "--previous-command '/bin/principals %u'" in words and "--previous-command none" in words
    assert bare.everything() == before
    bare.good("--previous-command", "none")
    assert "previous" not in bare.read(SETTINGS)
    bare.good()


def test_the_file_of_the_other_cas_is_named_to_the_helper(bare):
    bare.write("/etc/ssh/other_ca.pub", "ssh-ed25519 OTHER\n")
    bare.config(BASE + "TrustedUserCAKeys /etc/ssh/other_ca.pub\n")
    bare.good()
    assert "previous_ca_keys /etc/ssh/other_ca.pub" in bare.read(SETTINGS)
    bare.run("chmod", "600", "/etc/ssh/other_ca.pub")
    assert "users cannot read /etc/ssh/other_ca.pub" in bare.good()
    assert "previous_ca_keys /etc/ssh/sshbroker/user_ca_keys" in bare.read(SETTINGS)  # our copy of it


def test_users_must_reach_the_helper_and_its_settings(bare):
    bare.run("chmod", "750", "/etc/ssh")
    try:
        assert "users cannot enter /etc/ssh" in bare.refused()
    finally:
        bare.run("chmod", "755", "/etc/ssh")


def test_a_helper_that_users_can_read_is_not_used_in_place(bare):
    """They could look into it while it runs as they."""
    bare.run("install", "-D", "-m", "755", "/run/node/sshbroker-principals", "/usr/local/lib/x/sshbroker-principals")
    flags = ["--helper", "/usr/local/lib/x/sshbroker-principals", "--in-place"]
    assert "chmod 711" in bare.refused(*flags)
    bare.run("chmod", "711", "/usr/local/lib/x/sshbroker-principals")
    bare.good(*flags)
    bare.run("rm", "-r", "/usr/local/lib/x")


# Away again.

def test_remove_does_not_take_what_a_snippet_elsewhere_still_needs(bare):
    bare.good("--snippet", "/etc/ssh/sshd_config.d/20-mine.conf")
    before = bare.everything()
    status, words = bare.node.setup("--remove")
    assert status == 1 and "/etc/ssh/sshd_config.d/20-mine.conf" in words and "--snippet" in words
    assert bare.everything() == before
    assert bare.node.setup("--remove", "--snippet", "/etc/ssh/sshd_config.d/20-mine.conf")[0] == 0
    assert b"user_ca_keys" not in bare.everything()


def test_what_an_interrupted_run_left_is_taken_away(bare):
    for path in (SNIPPET, SETTINGS, CA_KEYS, HELPER):
        bare.run("mkdir", "-p", path.rpartition("/")[0])
        bare.write(path + ".new", "half")
    bare.good()
    assert b".new" not in bare.everything()


def test_an_sshd_that_an_interrupted_run_did_not_tell_is_told_by_the_next(bare):
    bare.good()
    for argv in (bare.args, ["--remove"]):
        bare.write("/run/sshbroker-node-setup.untold", "")
        status, words = bare.node.setup(*argv, "--no-reload")
        assert status == 0 and "sshd was not told" in words
        assert bare.run("sh", "-c", "ls /run/*.untold || true") == b""
    status, words = bare.node.setup("--remove")
    assert status == 0 and "told" not in words


def test_a_fingerprint_of_another_kind_is_refused(bare):
    command = "AuthorizedKeysCommand /bin/x %u %f\nAuthorizedKeysCommandUser %u\n"
    bare.config(BASE + command + "FingerprintHash md5\n")
    assert "FingerprintHash" in bare.refused()
    bare.config(BASE + command)
    bare.good()


def test_pam_comments_are_no_rules(bare):
    bare.write("/etc/pam.d/sshd", bare.pam + "  # account required pam_access.so\n\t#auth required pam_rhosts.so\n")
    bare.good()


def test_the_package_does_not_leave_an_sshd_that_asks_for_its_helper(bare):
    """Such an sshd would refuse the certificates of other CAs as well."""
    installed = "/usr/local/libexec/sshbroker/sshbroker-principals"
    script = (proc.ROOT / "deploy/debian/prerm").read_text().replace("/usr/libexec", "/usr/local/libexec")
    bare.write("/usr/local/lib/prerm", script.replace("/usr/sbin/sshbroker-node-setup", "/run/node/node-setup"), mode=0o755)
    bare.run("chmod", "755", "/run/node/node-setup")
    bare.run("install", "-D", "-m", "711", "/run/node/sshbroker-principals", installed)
    flags = ["--helper", installed, "--in-place", "--snippet", "/etc/ssh/sshd_config.d/20-mine.conf"]
    effective = bare.effective()
    bare.good(*flags)
    before = bare.everything()
    bare.run("/usr/local/lib/prerm", "upgrade", "2")
    assert bare.everything() == before
    bare.run("/usr/local/lib/prerm", "remove")
    assert bare.effective() == effective
    # Where it stands as no snippet that we know how to take away.
    bare.config(f"{BASE}AuthorizedPrincipalsCommand {installed} %u\nAuthorizedPrincipalsCommandUser %u\n")
    with pytest.raises(NodeError, match="still asks"):
        bare.run("/usr/local/lib/prerm", "remove")
    bare.run("rm", "/usr/local/lib/prerm")
