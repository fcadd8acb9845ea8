# Docker's official image of PostgreSQL 17 with cometchat_ext. Build it where the package and this folder's scripts are:
#
#   make package PG=17 && cp packaging/docker/*.sh target/package
#   docker build -f packaging/docker/postgres.Dockerfile -t postgres-cometchat target/package
FROM postgres:17-trixie
COPY postgresql-17-cometchat-ext_*.deb preload.sh /tmp/cometchat/
# New data directories begin with this sample. One that is there already: docker run ... postgres -c
# shared_preload_libraries=cometchat_ext
RUN dpkg -i /tmp/cometchat/*.deb && sh /tmp/cometchat/preload.sh /usr/share/postgresql/postgresql.conf.sample && rm -r /tmp/cometchat
