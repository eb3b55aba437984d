# Answers find_package(Quiescent 1.2 CONFIG) as Cargo would: this version (the header's) serves whoever asks for it or for an
# older one of the same major number, below 1.0 of the same minor number. A range, 1.2...<2, means what it says.

get_filename_component(_quiescent_prefix "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
file(STRINGS "${_quiescent_prefix}/../../../include/quiescent.h" PACKAGE_VERSION REGEX "^#define QZ_VERSION \"")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" PACKAGE_VERSION "${PACKAGE_VERSION}")

if(PACKAGE_FIND_VERSION_RANGE)
  if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION_MIN
     AND (PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION_MAX
          OR (PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX AND PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "INCLUDE")))
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
else()
  string(REGEX MATCH "^(0\\.)?[0-9]+\\." _quiescent_series "${PACKAGE_VERSION}")
  string(FIND "${PACKAGE_FIND_VERSION}.0." "${_quiescent_series}" _quiescent_at)
  if(_quiescent_at EQUAL 0 AND PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
  endif()
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
