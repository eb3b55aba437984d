/* A user of step 4, who keeps a word for longer than its dictionary. */
#include "words.h"

#include <stdio.h>

int main(void) {
    words *w;
    const char *word;
    words_loan *loan;
    if (words_open(&w) != 0 || words_add(w, "quiescent") != 0 || words_lend(w, 0, &word, &loan) != 0) return 1;
    printf("words_close answers %d\n", words_close(w));
    printf("%s is still there\n", word);
    printf("words_give_back answers %d\n", words_give_back(loan)); /* the last one out drops the dictionary */
    printf("words_close answers %d\n", words_close(w));
    return 0;
}
