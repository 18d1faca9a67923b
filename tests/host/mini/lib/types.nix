# Option types: check: value -> bool; merge: path -> definitions [ { file, value } ] -> value.
lib:
let
  inherit (builtins) all attrNames concatMap elem elemAt filter genList head isAttrs isBool isFloat isFunction isInt isList isPath
    isString length match tail toJSON toString;
  inherit (lib) showOption mergeDefinitions;
  values = map (d: d.value);
  one = loc: defs:
    let vs = values defs; in
    if all (v: v == head vs) (tail vs) then head vs
    else throw "The option `${showOption loc}' has conflicting definition values:\n${lib.concatMapStrings (v: "- ${show v}\n") vs}Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";
  mk = name: check: merge: { _type = "option-type"; inherit name check merge; description = name; nestedTypes = { }; };
  simple = name: check: mk name check one;
  show = v: if isFunction v then "<function>" else if lib.isDerivation v then "<derivation ${v.name}>" else if isAttrs v then "{ ${toString (attrNames v)} }" else toJSON v;
  types = rec {
    unspecified = mk "unspecified" (_: true) (loc: defs:
      let vs = values defs; in
      if length vs > 1 && all isList vs then lib.concatLists vs
      else if length vs > 1 && all isAttrs vs then lib.foldl' lib.mergeAttrs { } vs
      else one loc defs);
    raw = mk "raw value" (_: true) one;
    bool = simple "boolean" isBool;
    int = simple "signed integer" isInt;
    float = simple "floating point number" isFloat;
    number = simple "signed integer or floating point number" (v: isInt v || isFloat v);
    str = simple "string" isString;
    singleLineStr = simple "(optionally newline-terminated) single-line string" (v: isString v && match "[^\n\r]*\n?" v != null);
    nonEmptyStr = simple "non-empty string" (v: isString v && match "[ \t\n]*" v == null);
    strMatching = re: simple "string matching the pattern ${re}" (v: isString v && match re v != null);
    passwdEntry = t: addCheck t (v: !(lib.hasInfix ":" v || lib.hasInfix "\n" v));
    port = ints.u16;
    ints = {
      positive = simple "positive integer, meaning >0" (v: isInt v && v > 0);
      unsigned = simple "unsigned integer, meaning >=0" (v: isInt v && v >= 0);
      between = a: b: simple "integer between ${toString a} and ${toString b} (both inclusive)" (v: isInt v && v >= a && v <= b);
      u8 = ints.between 0 255;
      u16 = simple "16 bit unsigned integer; between 0 and 65535 (both inclusive)" (v: isInt v && v >= 0 && v <= 65535);
      u32 = ints.between 0 4294967295;
    };
    path = simple "absolute path" (v: lib.isStringLike v && lib.hasPrefix "/" (toString v));
    pathInStore = simple "path in the Nix store" (v: lib.isStorePath v);
    pathWith = { inStore ? null, absolute ? null }: simple "path" (v: lib.isStringLike v
      && (inStore == null || lib.hasPrefix builtins.storeDir "${if isPath v then builtins.toString v else v}" == inStore)
      && (absolute == null || lib.hasPrefix "/" (toString v) == absolute));
    externalPath = pathWith { absolute = true; inStore = false; };
    package = simple "package" (v: lib.isDerivation v || lib.isStorePath v);
    shellPackage = package;
    separatedString = sep: mk "strings concatenated with ${toJSON sep}" isString (_: defs: builtins.concatStringsSep sep (values defs));
    lines = separatedString "\n";
    commas = separatedString ",";
    envVar = separatedString ":";
    enum = vs: simple "one of ${lib.concatMapStringsSep ", " show vs}" (v: elem v vs);
    attrs = mk "attribute set" isAttrs (_: defs: lib.foldl' lib.mergeAttrs { } (values defs));
    anything = mk "anything" (_: true) (loc: defs:
      let vs = values defs; plain = v: isAttrs v && !lib.isDerivation v; in
      if all plain vs then (lazyAttrsOf anything).merge loc defs
      else if length vs > 1 && all isList vs then lib.concatLists vs
      else one loc defs);
    nullOr = t: mk "null or ${t.name}" (v: v == null || t.check v) (loc: defs:
      let set = filter (d: d.value != null) defs; in
      if set == [ ] then null
      else if length set != length defs then throw "The option `${showOption loc}' is defined both null and not null."
      else t.merge loc defs);
    either = a: b: mk "${a.name} or ${b.name}" (v: a.check v || b.check v) (loc: defs:
      if all a.check (values defs) then a.merge loc defs else if all b.check (values defs) then b.merge loc defs else one loc defs);
    oneOf = ts: lib.foldl' either (head ts) (tail ts);
    coercedTo = from: f: to: mk "${to.name} or ${from.name} convertible to it" (v: (from.check v && to.check (f v)) || to.check v)
      (loc: defs: to.merge loc (map (d: d // { value = if from.check d.value then f d.value else d.value; }) defs));
    addCheck = t: p: t // { check = v: t.check v && p v; };
    unique = { message }: t: t // { merge = loc: defs: if length defs == 1 then t.merge loc defs else throw "The option `${showOption loc}' is defined multiple times: ${message}"; };
    uniq = unique { message = ""; };
    functionTo = t: mk "function that evaluates to ${t.name}" isFunction (loc: defs: arg: t.merge loc (map (d: d // { value = d.value arg; }) defs));
    listOf = t: mk "list of ${t.name}" isList (loc: defs:
      let item = d: i: let value = elemAt d.value i; in
        lib.optional (lib.dischargeProperties value != [ ]) (mergeDefinitions (loc ++ [ "[definition 1-entry ${toString (i + 1)}]" ]) t [ { inherit (d) file; inherit value; } ]); in
      concatMap (d: concatMap (item d) (genList lib.id (length d.value))) defs);
    nonEmptyListOf = t: addCheck (listOf t) (l: l != [ ]);
    attrsOf = t: mk "attribute set of ${t.name}" isAttrs (loc: defs:
      let
        sets = concatMap (d: map (value: { inherit (d) file; inherit value; }) (lib.pushDownProperties d.value)) defs;
        raws = n: concatMap (s: lib.optional (s.value ? ${n}) { inherit (s) file; value = s.value.${n}; }) sets;
        # `a = mkIf false ...` leaves no attribute
        live = filter (n: concatMap (d: lib.dischargeProperties d.value) (raws n) != [ ]) (lib.unique (concatMap (s: attrNames s.value) sets));
      in
      lib.genAttrs live (n: mergeDefinitions (loc ++ [ n ]) t (raws n)));
    # names are known without evaluating a condition; a `mkIf false` leaves an attribute that throws
    lazyAttrsOf = t: mk "lazy attribute set of ${t.name}" isAttrs (loc: defs:
      let sets = concatMap (d: map (value: { inherit (d) file; inherit value; }) (lib.pushDownProperties d.value)) defs; in
      lib.genAttrs (lib.unique (concatMap (s: attrNames s.value) sets))
        (n: mergeDefinitions (loc ++ [ n ]) t (concatMap (s: lib.optional (s.value ? ${n}) { inherit (s) file; value = s.value.${n}; }) sets)));
    submoduleWith = { modules, specialArgs ? { }, shorthandOnlyDefinesConfig ? false, ... }:
      mk "submodule" (v: isAttrs v || isFunction v || isPath v) (loc: defs:
        removeAttrs (lib.evalModules {
          inherit specialArgs;
          prefix = loc;
          modules = modules ++ [ { _module.args.name = lib.last loc; } ]
            ++ map (d: { _file = d.file; } // (if isAttrs d.value && (shorthandOnlyDefinesConfig || !(d.value ? config || d.value ? options || d.value ? imports)) then { config = d.value; } else { imports = [ d.value ]; })) defs;
        }).config [ "_module" ]);
    submodule = m: submoduleWith { modules = lib.toList m; shorthandOnlyDefinesConfig = true; };
    deferredModule = mk "module" (v: isAttrs v || isFunction v || isPath v) (_: defs: { imports = values defs; });
    optionType = raw;
  };
in
{
  inherit types;
  # a type of the module author's own
  mkOptionType = { name, description ? name, check ? (_: true), merge ? one, ... }: mk name check merge // { inherit description; };
  mergeEqualOption = one;
  mergeOneOption = loc: defs: if length defs == 1 then (head defs).value else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.";
  getValues = values;
  # raw definitions, which may still be mkIf, mkForce, ... -> the merged value
  mergeDefinitions = loc: type: raws:
    let
      live = concatMap (d: map (x: x // { inherit (d) file; }) (lib.dischargeProperties d.value)) raws;
      best = lib.foldl' (m: d: lib.min m d.prio) 9999 live;
      kept = lib.sort (a: b: a.order < b.order) (filter (d: d.prio == best) live);
      bad = filter (d: !type.check d.value) kept;
    in
    if kept == [ ] then throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
    else if bad != [ ] then throw "A definition for option `${showOption loc}' is not of type `${type.name}'. Definition values:\n${lib.concatMapStrings (d: "- In `${d.file}': ${show d.value}\n") bad}"
    else type.merge loc (map (d: { inherit (d) file value; }) kept);
}
