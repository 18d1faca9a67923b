# The settings of the host's PostgreSQL. The text does not depend on the instances, because NixOS restarts
# PostgreSQL when it changes; of the sizes only `capacity` does. Never `package`: another major version starts an
# empty cluster.
{ lib, capacity }:
let
  services = import ./__services.nix;
  peers = lib.filterAttrs (_: service: service ? login) services;
in
{
  enable = lib.mkDefault true;
  settings = lib.mapAttrs (_: lib.mkDefault) {
    max_connections = 45 * capacity + 20;
    max_replication_slots = 2 * capacity + 4;
    max_wal_senders = 2 * capacity + 4;
    # A stuck slot must not fill everybody's disk.
    max_slot_wal_keep_size = "4GB";
    wal_level = "logical";
  };
  # First, so that they win. The reject lines are for our logins only: other applications keep their rules.
  authentication = lib.mkBefore ''
    local  /^supabase_  +supabase_login                 peer map=supabase
    host   /^supabase_  +supabase_login  127.0.0.1/32   scram-sha-256
    host   /^supabase_  +supabase_login  ::1/128        scram-sha-256
    local  all          +supabase_login                 reject
    host   all          +supabase_login  all            reject
    local  replication  +supabase_login                 reject
    host   replication  +supabase_login  all            reject
  '';
  identMap = lib.concatLines (lib.mapAttrsToList
    (service: { login, ... }: "supabase  /^supabase-([a-z0-9]+)-${service}$  supabase_\\1${login}")
    peers);
}
