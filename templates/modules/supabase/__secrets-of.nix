# The secrets an instance reads, by name or path: those of every instance, then those of the services that are on. Two
# services may share variables, nothing else.
{ lib, settings }:
let
  inherit (settings) services auth smtp storage;
  env = builtins.attrValues (lib.filterAttrs (service: _: services.${service} or false) settings.secretEnvironment);
  own = [ settings.jwtSecret settings.anonKey settings.serviceKey settings.databaseUrl ]
    ++ lib.optional services.realtime settings.realtimeSecret
    ++ lib.optional services.studio settings.dashboardPassword
    ++ lib.optional services.meta settings.metaKey
    ++ lib.optional services.storage settings.s3Key
    ++ lib.optional (services.storage && storage.backend == "s3") settings.s3BackendKey
    ++ lib.optional (services.auth && smtp != null && smtp.user != null) settings.smtpPassword
    ++ lib.optional (services.auth && !auth.databaseSocket) settings.authDatabaseUrl;
in
own ++ lib.subtractLists own (lib.unique env)
