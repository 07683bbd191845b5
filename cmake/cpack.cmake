# Read by cpack: without these tools it would make a package that names no libraries to depend on, or none.
find_program(SHLIBDEPS dpkg-shlibdeps)
find_program(FILE_TYPE file)
if(CPACK_GENERATOR STREQUAL "DEB" AND NOT (SHLIBDEPS AND FILE_TYPE))
	message(FATAL_ERROR "A Debian package is made with more: apt-get install dpkg-dev file")
endif()
