# What "cmake --install" puts where, and the Debian package made of it (cpack -G DEB).

install(FILES deploy/man/sshbrokerd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES deploy/man/sshbroker.json.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
if(TARGET sshbrokerctl)
	install(FILES deploy/man/sshbrokerctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(FILES config/sshbroker.json config/sshbroker.schema.json
	DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES README.md ARCHITECTURE.md SECURITY.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES deploy/systemd/sshbroker.service DESTINATION lib/systemd/system)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sshbroker)
set(CPACK_PACKAGE_CONTACT "sshbroker <sshbroker@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "SSH broker: one address for a pool of nodes")
set(CPACK_PACKAGE_DESCRIPTION "Ends SSH connections, puts each user on the node of a pool with the fewest users, brings
 them back to where they have connections, and relays everything that SSH can carry.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_SOURCE_DIR}/cmake/cpack.cmake)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
	"${CMAKE_SOURCE_DIR}/deploy/debian/postinst;${CMAKE_SOURCE_DIR}/deploy/debian/prerm")
set(CPACK_STRIP_FILES ON)
include(CPack)
