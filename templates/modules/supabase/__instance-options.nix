# The options of one instance.
{ numbers }:
{ name, config, lib, ... }:
let
  inherit (lib) mkOption types;
  profiles = import ./__profiles.nix;
  profile = profiles.${config.profile};

  option = type: default: description: mkOption { inherit type default description; };
  switch = option types.bool;
  matching = pattern: description: types.strMatching pattern // { inherit description; };
  postgresqlName = matching "[a-z_][a-z0-9_]{0,62}" "PostgreSQL name of lower case letters, digits and _";
  bucketName = matching "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]" "bucket name of 3 to 63 lower case letters, digits, . and -";
  url = matching "[a-z][a-z0-9+.-]*://[^[:space:],\"]*" "URL without spaces and commas";
  hostName = matching "[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?" "host name or address";
  oneLine = matching "[^[:cntrl:]]+" "one line of text";

  # Starts with a letter or digit: never an option of a program, never a path that leaves the directory.
  secretType = matching "[A-Za-z0-9][A-Za-z0-9._-]*|/.+"
    "name of an agenix secret, or absolute path of a file that exists at run time (sops-nix)";
  secret = suffix: option secretType "supabase-${name}-${suffix}";

  # A service that the profile switches on.
  served = service: description: mkOption {
    type = types.bool;
    default = builtins.elem service profile.services;
    defaultText = lib.literalExpression "profile ${lib.concatStringsSep " or " (builtins.attrNames
      (lib.filterAttrs (_: p: builtins.elem service p.services) profiles))}";
    inherit description;
  };
  limit = kind: description: mkOption {
    type = types.ints.positive;
    default = profile.limits.${kind};
    defaultText = lib.literalExpression (lib.concatStringsSep ", " (lib.mapAttrsToList
      (name: p: "${toString p.limits.${kind}} with profile ${name}") profiles));
    inherit description;
  };

  # Numbers of the upper half, which the run hands out last; a clash is named by the assertions.
  hash = (builtins.fromTOML "value = 0x${builtins.substring 0 8 (builtins.hashString "sha256" name)}").value;
  half = numbers.slots / 2;
in
{
  options = {
    enable = switch true "Whether to run this instance. Switched off, its data, secrets and slot stay.";
    profile = option (types.enum (builtins.attrNames profiles)) "full" ''
      What the instance serves unless `services` says otherwise: `api` is the REST API alone; `app` adds auth and
      storage; `full` adds realtime, meta and Studio. It also sets the defaults of `limits`.
    '';
    slot = mkOption {
      type = types.ints.between 0 (numbers.slots - 1);
      default = half + hash - hash / half * half;
      defaultText = lib.literalExpression "written by the run; by hand: from a hash of the name";
      description = "The number this instance holds for life on its host; ports and uids follow from it.";
    };
    subdomain = option (matching "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" "one DNS label in lower case") "supabase-${name}"
      "Name of the instance below the domain. All addresses the services give to clients follow from it.";
    port = mkOption {
      type = types.ints.between 1024 65535;
      default = numbers.publicBase + config.slot;
      defaultText = lib.literalExpression "8000 + slot";
      description = "Loopback port of the instance's gateway.";
    };
    logLevel = option (types.enum [ "debug" "info" "warn" "error" ]) "info" "How much the services of the instance log.";

    services = {
      restApi = served "restApi" "Whether to serve the REST API (PostgREST).";
      auth = served "auth" "Whether to serve users and their sessions (auth, formerly GoTrue).";
      storage = served "storage" "Whether to serve files. `storage.enable` is the same switch." // {
        default = if config.storage.enable != null then config.storage.enable else builtins.elem "storage" profile.services;
      };
      realtime = served "realtime" "Whether to serve subscriptions to changes, broadcast and presence.";
      meta = served "meta" ''
        Whether to serve postgres-meta behind the gateway's `/pg/`, for the service key only. Studio needs it.
      '';
      studio = served "studio" ''
        Whether to serve Studio at the root of the gateway, behind a password: user `supabase`, secret `dashboardPassword`.
      '';
      imgproxy = mkOption {
        type = types.bool;
        default = config.services.storage && config.storage.backend == "file";
        defaultText = lib.literalExpression ''services.storage && storage.backend == "file"'';
        description = "Whether storage resizes and converts images. Only with backend `file`.";
      };
    };

    database = {
      name = option postgresqlName "supabase_${name}" "Database of the instance; fixed at birth.";
      user = option postgresqlName "supabase_${name}"
        "Login of the owner, or a further login that is a member of the owner; fixed at birth.";
      createDatabase = switch true "Whether the run creates the database.";
    };

    auth = {
      siteUrl = option (types.nullOr url) null ''
        Address of the application: where confirmation and recovery links lead in the end. `null`: the instance's own
        address.
      '';
      redirectUrls = option (types.listOf url) [ ] ''
        Further addresses a client may ask to be sent back to. `*` stands for a part without `.` and `/`, `**` for any text.
      '';
      disableSignup = switch false "Whether only invited users and those made with the service key may exist.";
      autoconfirm = switch false "Whether a new address counts as confirmed without a mail.";
      jwtExpiry = option (types.ints.between 60 604800) 3600 "Seconds an access token lives.";
      databaseSocket = switch true ''
        Whether auth enters PostgreSQL over its Unix socket as its own user, without a password. Off, it enters by TCP
        with the URL of secret `authDatabaseUrl`. Neither way has been run with the real program by this project.
      '';
    };
    smtp = option (types.nullOr (types.submodule {
      options = {
        host = mkOption { type = hostName; description = "Mail server that accepts auth's mails."; };
        port = option types.port 587 "Its port. TLS is used from the start on 465, else as the server offers it.";
        user = option (types.nullOr oneLine) null "Login at the mail server, with secret `smtpPassword`; `null`: none.";
        sender = mkOption {
          type = matching "[^@[:space:]]+@[^@[:space:]]+" "mail address";
          description = "Address the mails come from.";
        };
        senderName = option oneLine name "Name the mails come from.";
      };
    })) null "How auth sends mail. `null`: it sends none, so that sign-up works with `auth.autoconfirm` only.";

    storage = {
      enable = option (types.nullOr types.bool) null "Whether to serve files: another name of `services.storage`.";
      bucket = option bucketName "supabase-storage" "Bucket that is made with the instance.";
      backend = option (types.enum [ "file" "s3" ]) "file" ''
        Where the files are: `file` is a directory of this host, `s3` an object store. The files stay where they are when
        this changes.
      '';
      s3 = option (types.nullOr (types.submodule {
        options = {
          endpoint = mkOption { type = url; description = "Address of the object store."; };
          region = mkOption { type = matching "[A-Za-z0-9-]+" "region name"; description = "Its region."; };
          bucket = mkOption { type = bucketName; description = "Bucket there that holds all files of the instance."; };
          forcePathStyle = switch true "Whether the bucket is named in the path instead of the host name, as MinIO and others want it.";
        };
      })) null "The object store of backend `s3`; its key is secret `s3BackendKey`.";
      fileSizeLimit = option types.ints.positive 52428800 "Size in bytes a file may have; a bucket can allow less.";
    };

    realtime = {
      superuser = switch false ''
        Whether realtime's login is a superuser of the whole PostgreSQL, as upstream has it. Off, it owns its schemas and
        may replicate. Neither way has been run with the real program by this project.
      '';
      maxConcurrentUsers = option types.ints.positive 200 "How many clients may be connected at once.";
    };

    environment = option (types.attrsOf (types.attrsOf types.str)) { } ''
      Further environment variables by service, by the names of `services`: `{ auth.GOTRUE_MAILER_OTP_EXP = "600"; }`. They win
      over the module's own. World-readable: nothing secret here.
    '';
    secretEnvironment = option (types.attrsOf secretType) { } ''
      A secret by service, by the names of `services`, that holds further environment variables, a line `KEY=VALUE` each. It wins
      over `environment`.
    '';

    limits = {
      memory = limit "memory" "MiB all services of the instance may take together; from three quarters on they are slowed down.";
      tasks = limit "tasks" "How many processes and threads the instance may have.";
    };

    jwtSecret = secret "jwt" "The secret that signs the instance's tokens.";
    anonKey = secret "anon" "API key of role anon.";
    serviceKey = secret "service" "API key of role service_role.";
    databaseUrl = secret "db" "PostgreSQL URL of the owner; no service reads it.";
    realtimeSecret = secret "realtime" "Seed of realtime's own keys, 64 hexadecimal digits.";
    dashboardPassword = secret "dashboard" "Password of Studio's user `supabase`.";
    metaKey = secret "meta" "Key that encrypts the connections Studio names to meta, 64 hexadecimal digits.";
    s3Key = secret "s3" "Key of storage's S3 protocol, `ID:SECRET`.";
    smtpPassword = secret "smtp" "Password of `smtp.user`. Yours to give; read when `smtp.user` is set.";
    s3BackendKey = secret "s3backend" "Key of the object store, `ID:SECRET`. Yours to give; read with backend `s3`.";
    authDatabaseUrl = secret "authdb" "PostgreSQL URL of auth's login; read when `auth.databaseSocket` is off.";
    secrets = mkOption {
      type = types.listOf secretType;
      default = import ./__secrets-of.nix { inherit lib; settings = config; };
      defaultText = lib.literalExpression "the secrets that the services which are on need";
      description = ''
        Every secret of the instance, those that wait for their turn (`-next`) or are still accepted
        (`-previous`) included. Beside a secret given as a path these two are read when they exist.
      '';
    };
  };
}
