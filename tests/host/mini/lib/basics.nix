# Attribute sets, lists, strings.
lib:
let
  inherit (builtins) attrNames concatLists concatMap concatStringsSep elem elemAt filter foldl' genList head isAttrs isBool
    isFunction isInt isList isPath isString length listToAttrs map mapAttrs match replaceStrings split stringLength substring
    tail toString;
in
rec {
  inherit (builtins) add all any attrNames attrValues baseNameOf catAttrs compareVersions concatLists concatMap
    concatStringsSep deepSeq dirOf elem elemAt filter foldl' fromJSON functionArgs genList getAttr groupBy hasAttr head
    intersectAttrs isAttrs isBool isFloat isFunction isInt isList isPath isString length lessThan listToAttrs map mapAttrs
    match parseDrvName pathExists readDir readFile removeAttrs replaceStrings seq sort split splitVersion stringLength
    substring tail toFile toJSON toString trace tryEval typeOf;
  version = "25.11-mini";
  trivial = { inherit version; release = "25.11"; };
  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  versions.major = v: head (builtins.splitVersion v);

  id = x: x;
  const = x: _: x;
  flip = f: a: b: f b a;
  pipe = foldl' (x: f: f x);
  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  warn = msg: builtins.trace "evaluation warning: ${msg}";
  warnIf = c: msg: if c then warn msg else id;
  throwIf = c: msg: if c then throw msg else id;
  throwIfNot = c: throwIf (!c);
  assertMsg = c: msg: if c then true else throw msg;
  importJSON = path: builtins.fromJSON (builtins.readFile path);
  importTOML = path: builtins.fromTOML (builtins.readFile path);
  isDerivation = v: isAttrs v && v.type or "" == "derivation";
  isStorePath = v: (isString v || isPath v || isDerivation v) && lib.hasPrefix builtins.storeDir (toString v);
  toFunction = v: if isFunction v then v else _: v;
  defaultTo = d: v: if v == null then d else v;
  mapNullable = f: v: if v == null then null else f v;
  isStringLike = v: isString v || isPath v || v ? outPath || v ? __toString;

  # ---- attribute sets
  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: s: listToAttrs (map (n: f n s.${n}) (attrNames s));
  mapAttrsToList = f: s: map (n: f n s.${n}) (attrNames s);
  attrsToList = mapAttrsToList nameValuePair;
  filterAttrs = p: s: removeAttrs s (filter (n: !p n s.${n}) (attrNames s));
  concatMapAttrs = f: s: foldl' (a: n: a // f n s.${n}) { } (attrNames s);
  foldlAttrs = f: init: s: foldl' (a: n: f a n s.${n}) init (attrNames s);
  genAttrs = names: f: listToAttrs (map (n: nameValuePair n (f n)) names);
  genAttrs' = names: f: listToAttrs (map f names);
  mergeAttrs = a: b: a // b;
  mergeAttrsList = foldl' mergeAttrs { };
  attrByPath = path: d: s: if path == [ ] then s else if isAttrs s && s ? ${head path} then attrByPath (tail path) d s.${head path} else d;
  hasAttrByPath = path: s: path == [ ] || (isAttrs s && s ? ${head path} && hasAttrByPath (tail path) s.${head path});
  getAttrFromPath = path: s: attrByPath path (throw "cannot find attribute `${concatStringsSep "." path}'") s;
  setAttrByPath = path: v: if path == [ ] then v else { ${head path} = setAttrByPath (tail path) v; };
  getAttrs = names: s: genAttrs names (n: s.${n});
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond = cond: f: s:
    let go = path: mapAttrs (n: v: if isAttrs v && cond v then go (path ++ [ n ]) v else f (path ++ [ n ]) v); in go [ ] s;
  collect = p: s: if p s then [ s ] else if isAttrs s then concatMap (collect p) (builtins.attrValues s) else [ ];
  zipAttrsWith = f: sets: mapAttrs f (builtins.zipAttrsWith (_: vs: vs) sets);
  recursiveUpdate = a: b: a // mapAttrs (n: v: if a ? ${n} && isAttrs a.${n} && isAttrs v then recursiveUpdate a.${n} v else v) b;
  optionalAttrs = c: x: if c then x else { };

  # ---- lists
  singleton = x: [ x ];
  optional = c: x: if c then [ x ] else [ ];
  optionals = c: x: if c then x else [ ];
  toList = x: if isList x then x else [ x ];
  last = l: elemAt l (length l - 1);
  init = l: take (length l - 1) l;
  take = n: l: genList (elemAt l) (min n (length l));
  drop = n: l: genList (i: elemAt l (i + n)) (max 0 (length l - n));
  range = a: b: if a > b then [ ] else genList (i: a + i) (b - a + 1);
  imap0 = f: l: genList (i: f i (elemAt l i)) (length l);
  imap1 = f: imap0 (i: f (i + 1));
  unique = foldl' (acc: e: if elem e acc then acc else acc ++ [ e ]) [ ];
  allUnique = l: length l == length (unique l);
  subtractLists = e: filter (x: !elem x e);
  intersectLists = e: filter (x: elem x e);
  count = p: foldl' (n: x: if p x then n + 1 else n) 0;
  partition = builtins.partition;
  remove = e: filter (x: x != e);
  reverseList = l: genList (i: elemAt l (length l - 1 - i)) (length l);
  foldr = f: z: l: foldl' (a: x: f x a) z (reverseList l);
  fold = foldr;
  flatten = x: if isList x then concatMap flatten x else [ x ];
  zipListsWith = f: a: b: genList (i: f (elemAt a i) (elemAt b i)) (min (length a) (length b));
  findFirst = p: d: l: let hits = filter p l; in if hits == [ ] then d else head hits;
  sortOn = f: builtins.sort (a: b: f a < f b);
  naturalSort = builtins.sort builtins.lessThan;
  cartesianProduct = s: foldl' (acc: n: concatMap (a: map (v: a // { ${n} = v; }) s.${n}) acc) [ { } ] (attrNames s);

  # ---- strings
  optionalString = c: x: if c then x else "";
  concatStrings = concatStringsSep "";
  concatMapStringsSep = sep: f: l: concatStringsSep sep (map f l);
  concatMapStrings = concatMapStringsSep "";
  concatMapAttrsStringSep = sep: f: s: concatStringsSep sep (mapAttrsToList f s);
  concatImapStringsSep = sep: f: l: concatStringsSep sep (imap1 f l);
  concatLines = concatMapStrings (s: s + "\n");
  intersperse = sep: l: if length l < 2 then l else [ (head l) ] ++ concatMap (x: [ sep x ]) (tail l);
  hasPrefix = p: s: substring 0 (stringLength p) (toString s) == p;
  hasSuffix = p: s: let a = stringLength p; b = stringLength s; in a <= b && substring (b - a) a s == p;
  hasInfix = i: s: length (split (escapeRegex i) (toString s)) > 1;
  removePrefix = p: s: if hasPrefix p s then substring (stringLength p) (stringLength s) s else s;
  removeSuffix = p: s: if hasSuffix p s then substring 0 (stringLength s - stringLength p) s else s;
  splitString = sep: s: filter isString (split (escapeRegex sep) s);
  stringToCharacters = s: genList (i: substring i 1 s) (stringLength s);
  stringAsChars = f: s: concatMapStrings f (stringToCharacters s);
  replicate = n: x: genList (_: x) n;
  strings = { inherit splitString hasPrefix hasSuffix hasInfix concatStringsSep concatMapStringsSep removePrefix removeSuffix optionalString escapeShellArg toLower toUpper; inherit (builtins) toJSON; };
  attrsets = { inherit hasAttrByPath attrByPath mapAttrs' filterAttrs; };
  lists = { inherit unique optional optionals flatten; };
  trim = s: let m = match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" s; in if m == null then "" else head m;
  lower = [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" ];
  upper = [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" ];
  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;
  fixedWidthString = width: filler: s: if stringLength s >= width then s else fixedWidthString width filler (filler + s);
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);
  toInt = s: let m = match "[[:space:]]*(0|-?[1-9][0-9]*)[[:space:]]*" s; in if m == null then throw "toInt: could not convert ${s} to int." else builtins.fromJSON (head m);
  boolToString = b: if b then "true" else "false";
  toHexString = n: (if n < 16 then "" else toHexString (n / 16)) + substring (mod n 16) 1 "0123456789ABCDEF";
  escape = chars: replaceStrings chars (map (c: "\\${c}") chars);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg = a: let s = toString a; in if match "[[:alnum:],._+:@%/-]+" s != null then s else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
  isValidPosixName = n: match "[a-zA-Z_][a-zA-Z0-9_]*" n != null;
  toShellVar = n: v: "${n}=${escapeShellArg v}";
  makeSearchPath = dir: paths: concatStringsSep ":" (map (p: "${p}/${dir}") (filter (p: p != null) paths));
  makeBinPath = makeSearchPath "bin";
  getBin = p: p;
  getLib = p: p;
  getName = p: p.pname or p.name;
  getVersion = p: p.version or "";
  getExe = p: "${p}/bin/${p.meta.mainProgram or (getName p)}";
  getExe' = p: n: "${p}/bin/${n}";
  generators = {
    toJSON = { }: builtins.toJSON;
    toKeyValue = { mkKeyValue ? (k: v: "${k}=${if isBool v then boolToString v else toString v}"), ... }: s: concatLines (mapAttrsToList mkKeyValue s);
  };
  systems.elaborate = system: { inherit system; };
  platforms.linux = [ "x86_64-linux" "aarch64-linux" ];
  licenses = { };
  maintainers = { };
  teams = { };
}
