# The services of an instance. The names are those of numbers.json.
#   option   the switch `services.<option>` of the instance; a service without one always runs
#   login    its PostgreSQL login by peer authentication: supabase_<instance><login>
#   unit     the file that gives its units and its routes
{
  gateway = { unit = ./__gateway.nix; };
  rest = { option = "restApi"; login = "_authenticator"; unit = ./__rest.nix; };
  auth = { option = "auth"; login = "_auth"; unit = ./__auth.nix; };
  storage = { option = "storage"; login = "_storage"; unit = ./__storage.nix; };
  realtime = { option = "realtime"; login = "_realtime"; unit = ./__realtime.nix; };
  meta = { option = "meta"; login = ""; unit = ./__meta.nix; };
  studio = { option = "studio"; unit = ./__studio.nix; };
  imgproxy = { option = "imgproxy"; unit = ./__imgproxy.nix; };
}
