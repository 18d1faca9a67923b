# evalModules: imports, declared options only, priorities, freeformType. Options can be asked for without evaluating config.
lib:
let
  inherit (builtins) attrNames concatMap elem filter foldl' functionArgs head isAttrs isFunction isPath isString mapAttrs removeAttrs toString;
  inherit (lib) mergeDefinitions pushDownProperties showOption;
  meta = [ "_file" "_class" "key" "imports" "options" "config" "disabledModules" "meta" "freeformType" ];
  # a module's value -> { file, imports, options, config, freeform }
  shape = file0: v:
    let
      file = toString (v._file or file0);
      extra = removeAttrs v meta;
      full = v ? config || v ? options;
    in
    if full && extra != { } then
      throw "Module `${file}' has an unsupported attribute `${head (attrNames extra)}'. This is caused by introducing a top-level `config' or `options' attribute."
    else {
      inherit file;
      imports = v.imports or [ ];
      options = v.options or { };
      config = if full then v.config or { } else extra;
      freeform = v.freeformType or null;
    };
in
{
  evalModules = { modules, specialArgs ? { }, prefix ? [ ], class ? null }:
    let
      call = f: let base = specialArgs // { inherit lib config options; }; in
        f (base // mapAttrs (n: _: base.${n} or config._module.args.${n}) (functionArgs f));
      load = m:
        let
          path = if isPath m || isString m then (if builtins.pathExists (toString m + "/default.nix") then toString m + "/default.nix" else toString m) else null;
          v = if path == null then m else import m;
        in
        shape (if path == null then "<unknown-file>" else path) (if isFunction v || v ? __functor then call v else v);
      # a file that is imported twice counts once
      key = m: if isPath m || isString m then toString m else if isAttrs m && m ? key then toString m.key else null;
      gather = acc: m:
        if key m != null && elem (key m) acc.seen then acc
        else
          let l = load m; sub = foldl' gather (acc // { seen = acc.seen ++ lib.optional (key m != null) (key m); }) l.imports; in
          sub // { out = sub.out ++ [ l ]; };
      internal = {
        options._module.args = lib.mkOption { type = lib.types.lazyAttrsOf lib.types.raw; default = { }; };
        options._module.check = lib.mkOption { type = lib.types.bool; default = true; };
        options._module.freeformType = lib.mkOption { type = lib.types.nullOr lib.types.raw; default = null; };
      };
      loaded = (foldl' gather { seen = [ ]; out = [ ]; } ([ internal ] ++ modules)).out;
      freeforms = filter (t: t != null) (map (m: m.freeform) loaded);

      # one level: decls are sets of option declarations, defs [ { file, value } ] sets of definitions
      walk = loc: decls: defs:
        let
          names = lib.unique (concatMap attrNames decls);
          node = n:
            let
              here = concatMap (d: lib.optional (d ? ${n}) d.${n}) decls;
              opts = filter lib.isOption here;
              given = concatMap (d: lib.optional (d.value ? ${n}) { inherit (d) file; value = d.value.${n}; }) defs;
              l = loc ++ [ n ];
              opt = foldl' (a: b: a // b) { } opts;
              default = lib.optional (opt ? default) { file = "default"; value = lib.mkOptionDefault opt.default; };
              value = mergeDefinitions l (opt.type or lib.types.unspecified) (given ++ default);
              deeper = walk l here (concatMap (d: map (value: { inherit (d) file; inherit value; }) (pushDownProperties d.value)) given);
            in
            if opts != [ ] then {
              value = if opt ? apply then opt.apply value else value;
              option = opt // { inherit loc value; isDefined = concatMap (d: lib.dischargeProperties d.value) given != [ ]; definitions = map (d: d.value) given; };
              unknown = [ ];
            } else { value = deeper.config; option = deeper.options; inherit (deeper) unknown; };
          nodes = lib.genAttrs names node;
          undeclared = lib.unique (filter (n: !elem n names) (concatMap (d: attrNames d.value) defs));
          rest = map (d: { inherit (d) file; value = removeAttrs d.value names; }) defs;
          free = if loc == prefix then freeforms ++ lib.optional (nodes ? _module && nodes._module.value.freeformType != null) nodes._module.value.freeformType else [ ];
          live = filter (n: concatMap (d: if d.value ? ${n} then lib.dischargeProperties d.value.${n} else [ ]) defs != [ ]) undeclared;
          set = mapAttrs (_: x: x.value) nodes;
        in
        {
          # neither options nor a module's own view of config depends on the check: a module may choose what it defines by what
          # is declared
          options = mapAttrs (_: x: x.option) nodes;
          config = if free == [ ] then set else mergeDefinitions loc (head free) rest // set;
          unknown = lib.optionals (free == [ ]) (map (n: {
            loc = loc ++ [ n ];
            files = concatMap (d: lib.optional (d.value ? ${n}) d.file) defs;
          }) live) ++ concatMap (x: x.unknown) (lib.attrValues nodes);
        };
      result = walk prefix (map (m: m.options) loaded)
        (concatMap (m: map (value: { inherit (m) file; inherit value; }) (pushDownProperties m.config)) loaded);
      inherit (result) config options;
      bad = head result.unknown;
      checked =
        if config._module.check && result.unknown != [ ]
        then throw "The option `${showOption bad.loc}' does not exist. Definition values:\n${lib.concatMapStrings (f: "- In `${f}'\n") bad.files}"
        else config;
    in
    { config = checked; inherit options; _type = "configuration"; _module = { inherit (config._module) args; }; };
}
