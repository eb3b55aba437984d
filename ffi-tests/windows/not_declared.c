/* What Windows lacks is not declared: this does not compile there, whichever of them it is. */
#include <quiescent.h>

int main(void) { return (int)LACKING; }
