# Files of the source that programs carry along as bytes.

# embed_file(FILE NAME OUT): set OUT to a generated C source that defines the bytes of FILE as the array NAME.
function(embed_file file name out)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${file})
	file(READ ${CMAKE_SOURCE_DIR}/${file} hex HEX)
	string(REGEX REPLACE "(..)" "0x\\1, " bytes "${hex}")
	set(source ${CMAKE_BINARY_DIR}/generated/${name}.c)
	set(content "/* The bytes of ${file}. */\n#include \"broker/init/${name}.h\"\n\n")
	string(APPEND content "const unsigned char ${name}[] = {${bytes}};\n")
	string(APPEND content "const size_t ${name}_len = sizeof(${name});\n")
	file(GENERATE OUTPUT ${source} CONTENT "${content}")
	set(${out} ${source} PARENT_SCOPE)
endfunction()
