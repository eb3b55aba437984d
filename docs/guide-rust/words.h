/* What the users of the library see. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct words words;

/* Answers: 0 is fine, less than 0 is not. */
int words_open(words **out);
int words_add(words *w, const char *word);
int words_wait(words *w, size_t n, int64_t timeout_ms); /* waits until there are n */
int words_close(words *w);

/* From step 4 on: a word to look at, until it is given back, once, on any thread. */
typedef struct words_loan words_loan;
int words_lend(words *w, size_t index, const char **out_word, words_loan **out_loan);
int words_give_back(words_loan *loan);

/* From step 5 on: the calling thread's last refusal in words. */
const char *words_last_error(void);

#endif
