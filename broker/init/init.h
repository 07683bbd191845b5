/*
 * "sshbrokerd init DIR": makes a folder with a working configuration and fresh keys.
 */
#ifndef BROKER_INIT_INIT_H
#define BROKER_INIT_INIT_H

/*
 * argv[0] is the word "init", then DIR and up to 8 times "--import-host-key FILE".  Says on stdout what it made and what
 * to do next, on stderr what is wrong.  What it made before something failed is taken away again.  Returns the exit
 * code: 0, 1 (failed) or 2 (wrong arguments).
 */
int init_main(int argc, char **argv);

#endif
