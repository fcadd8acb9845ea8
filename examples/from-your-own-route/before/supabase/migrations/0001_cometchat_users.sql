-- Who is who at CometChat, and with which token.
create table public.cometchat_users (
  id bigint generated always as identity primary key,
  user_id uuid not null unique references auth.users (id) on delete cascade,
  cometchat_uid text not null unique,
  cometchat_auth_token text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
alter table public.cometchat_users enable row level security;
create policy "one's own" on public.cometchat_users for select to authenticated using (auth.uid() = user_id);
grant select on public.cometchat_users to authenticated;
grant all on public.cometchat_users to service_role;
