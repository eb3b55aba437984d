/* Step 5: what a number less than 0 means, and the calling thread's last refusal in words. */
#ifndef WIRE_ERROR_H
#define WIRE_ERROR_H

const char *wire_error_name(int status);
const char *wire_last_error(void);

#endif
