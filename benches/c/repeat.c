/* The loops of a C caller, who was given the functions by the loader. */

#include <stdint.h>

typedef int32_t (*bench_operation)(void *object);
typedef int32_t (*bench_enter)(void *handle, void *kind, const char *operation, void **out_object);

void repeat_operation(bench_operation operation, void *object, uint32_t calls)
{
  for (uint32_t i = 0; i < calls; i++) operation(object);
}

/* Enter, look at the object, leave. */
uint64_t repeat_pair(bench_enter enter, bench_operation leave, void *handle, void *kind, uint32_t calls)
{
  uint64_t seen = 0;
  for (uint32_t i = 0; i < calls; i++) {
    void *object = 0;
    if (enter(handle, kind, "measured", &object) != 0) continue;
    seen += *(volatile uint64_t *)object;
    leave(handle);
  }
  return seen;
}
