# Supabase's image of PostgreSQL 17 with cometchat_ext, for self-hosted Supabase (compose.supabase.yaml). Take the tag that
# your docker-compose.yml names for `db`. Build it where the tarball and this folder's scripts are:
#
#   make package PG=17 && cp packaging/docker/*.sh target/package
#   docker build -f packaging/docker/supabase.Dockerfile -t supabase-postgres-cometchat target/package
FROM supabase/postgres:17.4.1.074
COPY cometchat_ext-*-pg17-linux-*.tar.gz install.sh preload.sh /tmp/cometchat/
# The snippet of compose.supabase.yaml is read if it is mounted.
RUN sh /tmp/cometchat/install.sh /tmp/cometchat && sh /tmp/cometchat/preload.sh /etc/postgresql/postgresql.conf && echo "include_if_exists = '/etc/postgresql-custom/cometchat.conf'" >>/etc/postgresql/postgresql.conf && rm -r /tmp/cometchat
