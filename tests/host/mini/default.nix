# The package set of the test host: derivations built by real Nix in its real sandbox, whose contents are scripts, text and
# links to the Debian programs of the host. programs.json, made with the rootfs, lists the programs of each Debian package.
{ system ? builtins.currentSystem, config ? { }, overlays ? [ ] }:
let
  lib = import ./lib;
  programs = builtins.fromJSON (builtins.readFile ./programs.json);
  build = { name, script, env ? { }, meta ? { }, passthru ? { }, preferLocalBuild ? true, ... }:
    derivation ({ PATH = "/usr/bin:/bin"; } // env // {
      inherit name system;
      builder = "/bin/bash";
      # bash itself must be the last process: it would exec a last command, and one that closes its output before it exits, as
      # coreutils' do, makes Nix take the build for done and kill it
      args = [ "-euc" "${script}\nexit 0" ];
      # text can be too long for an environment variable
      passAsFile = [ "text" ];
    } // (if env ? text then { } else { text = ""; })) // passthru // { inherit meta passthru; pname = (builtins.parseDrvName name).name; version = (builtins.parseDrvName name).version; };
  links = name: dirs: build {
    inherit name; meta.mainProgram = name;
    script = "mkdir $out\n" + lib.concatStrings (lib.mapAttrsToList (dir: files:
      "mkdir -p $out/${dir}\n" + lib.concatMapStrings (f: "ln -s ${f} $out/${dir}/${builtins.baseNameOf f}\n") files) dirs);
  };
  # a Debian package's programs as a package called `name`
  debian = name: package: links name { bin = programs.${package}; };
  pkgs = rec {
    inherit lib system config;
    inherit (lib) recurseIntoAttrs;
    stdenv = { hostPlatform = { inherit system; isLinux = true; isx86_64 = system == "x86_64-linux"; isAarch64 = system == "aarch64-linux"; }; inherit system; cc = null; };
    callPackage = f: args: let g = if builtins.isFunction f then f else import f; in
      g (builtins.intersectAttrs (builtins.functionArgs g) pkgs // args);

    runCommand = name: env: script: build {
      inherit name script;
      env = builtins.removeAttrs env [ "nativeBuildInputs" "buildInputs" "preferLocalBuild" "allowSubstitutes" "passthru" "meta" ] // lib.optionalAttrs (env ? nativeBuildInputs || env ? buildInputs) {
        PATH = lib.makeBinPath (env.nativeBuildInputs or [ ] ++ env.buildInputs or [ ]) + ":/usr/bin:/bin";
      };
      passthru = env.passthru or { };
      meta = env.meta or { };
    };
    runCommandLocal = runCommand;
    runCommandNoCC = runCommand;
    writeTextFile = { name, text, executable ? false, destination ? "", checkPhase ? "", meta ? { }, ... }: build {
      inherit name meta;
      env = { inherit text; };
      script = ''
        target=$out${destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${lib.optionalString executable "chmod 755 \"$target\""}
        ${checkPhase}
      '';
    };
    writeText = name: text: writeTextFile { inherit name text; };
    writeTextDir = path: text: writeTextFile { name = lib.replaceStrings [ "@" "\\" ] [ "-" "-" ] (builtins.baseNameOf path); inherit text; destination = "/${path}"; };
    writeScript = name: text: writeTextFile { inherit name text; executable = true; };
    writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; meta.mainProgram = name; };
    # the syntax is checked at build time, as in nixpkgs
    writeShellScript = name: text: writeTextFile { inherit name; executable = true; text = "#!${bash}/bin/bash\n${text}\n"; checkPhase = "bash -n \"$target\""; };
    writeShellScriptBin = name: text: writeTextFile {
      inherit name; executable = true; destination = "/bin/${name}"; meta.mainProgram = name;
      text = "#!${bash}/bin/bash\n${text}\n"; checkPhase = "bash -n \"$target\"";
    };
    # without nixpkgs' run of shellcheck
    writeShellApplication = { name, text, runtimeInputs ? [ ], runtimeEnv ? { }, ... }: writeShellScriptBin name ''
      set -o errexit
      set -o nounset
      set -o pipefail
      ${lib.concatStrings (lib.mapAttrsToList (k: v: "export ${lib.toShellVar k v}\n") (if runtimeEnv == null then { } else runtimeEnv))}
      export PATH="${lib.makeBinPath runtimeInputs}:$PATH"
      ${text}
    '';
    symlinkJoin = { name, paths, postBuild ? "", ... }: build {
      inherit name;
      script = ''
        mkdir $out
        # links to files in real directories; the first package to bring a file wins
        for p in ${toString (map (p: "${p}") paths)}; do cp -rsn --no-preserve=mode "$(readlink -f "$p")/." $out/; done
        ${postBuild}
      '';
    };
    buildEnv = { name, paths, ... }: symlinkJoin { inherit name paths; };
    linkFarm = name: entries: build {
      inherit name;
      script = "mkdir -p $out; cd $out\n" + lib.concatMapStrings (e: "mkdir -p \"$(dirname ${lib.escapeShellArg e.name})\"; ln -s ${e.path} ${lib.escapeShellArg e.name}\n")
        (if builtins.isAttrs entries then lib.mapAttrsToList (name: path: { inherit name path; }) entries else entries);
    };
    linkFarmFromDrvs = name: drvs: linkFarm name (map (d: { inherit (d) name; path = d; }) drvs);
    emptyFile = writeText "empty" "";
    formats.json = { }: { type = lib.types.anything; generate = name: v: writeText name (builtins.toJSON v); };
    formats.keyValue = { ... }: { type = lib.types.attrsOf lib.types.anything; generate = name: v: writeText name (lib.generators.toKeyValue { } v); };

    bash = links "bash" { bin = [ "/usr/bin/bash" "/usr/bin/sh" ]; };
    runtimeShell = "${bash}/bin/bash";
    # with kill, which Debian has in procps
    coreutils = links "coreutils" { bin = programs.coreutils ++ [ "/usr/bin/kill" ]; };
    findutils = debian "findutils" "findutils";
    diffutils = debian "diffutils" "diffutils";
    util-linux = links "util-linux" { bin = programs.util-linux ++ programs.mount ++ programs.bsdutils; };
    mount = util-linux;
    umount = util-linux;
    gnugrep = debian "grep" "grep";
    gnused = debian "sed" "sed";
    gawk = links "gawk" { bin = programs.gawk ++ [ "/usr/bin/awk" ]; };
    hostname = debian "hostname" "hostname";
    which = links "which" { bin = [ "/usr/bin/which" ]; };
    gnutar = debian "tar" "tar";
    gzip = debian "gzip" "gzip";
    zstd = debian "zstd" "zstd";
    iproute2 = links "iproute2" { bin = lib.filter (lib.hasPrefix "/usr/bin/") programs.iproute2; };
    nftables = debian "nft" "nftables";
    procps = debian "procps" "procps";
    acl = debian "acl" "acl";
    getent = links "getent" { bin = [ "/usr/bin/getent" ]; };
    shadow = debian "shadow" "passwd";
    su = shadow;
    curl = debian "curl" "curl";
    jq = debian "jq" "jq";
    git = debian "git" "git";
    gitMinimal = git;
    age = debian "age" "age";
    openssl = debian "openssl" "openssl";
    openssh = debian "openssh" "openssh-client";
    nix = debian "nix" "nix-bin";
    systemd = links "systemd" { bin = programs.systemd; "lib/systemd" = [ "/usr/lib/systemd/systemd-socket-proxyd" ]; };
    nginx = links "nginx" { bin = [ "/usr/sbin/nginx" ]; conf = [ "/etc/nginx/mime.types" ]; };
    nginxMainline = nginx;
    nginxStable = nginx;
    mailcap = links "mailcap" { "etc/nginx" = [ "/etc/nginx/mime.types" ]; };
    caddy = links "caddy" { bin = [ "/usr/bin/caddy" ]; };
    postgrest = links "postgrest" { bin = [ "/usr/local/bin/postgrest" ]; };
    # Not on this host: what a test puts there stands in for them.
    podman = links "podman" { bin = [ "/usr/local/bin/podman" ]; };
    gotrue-supabase = links "gotrue-supabase" { bin = [ "/usr/local/bin/auth" ]; };
    imgproxy = links "imgproxy" { bin = [ "/usr/local/bin/imgproxy" ]; };
    postgresql_17 = build {
      name = "postgresql-${lib.removeSuffix "\n" (builtins.readFile ./postgresql-version)}";
      script = "mkdir -p $out/bin; ln -s /usr/lib/postgresql/17/bin/* $out/bin/; ln -s /usr/lib/postgresql/17/lib $out/lib; ln -s /usr/share/postgresql/17 $out/share";
      meta.mainProgram = "psql";
      passthru = { psqlSchema = "17"; pkgs = { }; withPackages = _: postgresql_17; withJIT = postgresql_17; withoutJIT = postgresql_17; };
    };
    postgresql = postgresql_17;
    hello = writeShellScriptBin "hello" "echo Hello, world!";
  };
in
lib.foldl' (p: o: p // o p p) pkgs overlays
