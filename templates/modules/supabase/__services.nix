# The services of an instance. One without `unit` is not served yet: it gets no user, no unit and no route.
#   option   the switch `services.<option>` of the instance; a service without one runs whenever it is served
#   login    its PostgreSQL login: supabase_<instance><login>; by peer authentication unless `password`
#   unit     the file that gives its unit and its routes
# The ident map names the logins of services not served yet too, so that serving them later restarts no PostgreSQL.
{
  gateway = { unit = ./__gateway.nix; };
  rest = { option = "restApi"; login = "_authenticator"; unit = ./__rest.nix; };
  auth = { option = "auth"; login = "_auth"; };
  storage = { option = "storage"; login = "_storage"; };
  # Realtime can only use TCP and a password.
  realtime = { option = "realtime"; login = "_realtime"; password = true; };
  meta = { login = ""; };
  studio = { };
  imgproxy = { };
}
