# A server that stands in for a service: it says whose it is and in which order it was asked, and answers health checks. The
# port is the one that the service's own environment names.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my $user = getpwuid($>) // $>;
my ($service) = $user =~ /-([a-z]+)$/;
my %port = (auth => 'GOTRUE_API_PORT', storage => 'SERVER_PORT', realtime => 'PORT', meta => 'PG_META_PORT', studio => 'PORT');
my $port = $ENV{$port{$service} // ''} // ($ENV{IMGPROXY_BIND} // '') =~ s/.*://r;

# Realtime's migrations, as far as a run asks for them: over its own way to PostgreSQL.
if ($service eq 'realtime') {
    local %ENV = (PATH => '/run/current-system/sw/bin:/usr/bin', PGHOST => $ENV{DB_HOST}, PGPORT => $ENV{DB_PORT},
        PGUSER => $ENV{DB_USER}, PGDATABASE => $ENV{DB_NAME});
    my $made = 'CREATE TABLE IF NOT EXISTS realtime.schema_migrations (version bigint); '
        . 'INSERT INTO realtime.schema_migrations VALUES (1)';
    system('psql', '-Xqw', '-c', $made) == 0 or die "no migrations\n";
}

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1)
    or die "$service: port $port: $@\n";
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $client = $server->accept or next;
    my $pid = fork // next;
    if ($pid) { close $client; next }
    local $SIG{ALRM} = sub { POSIX::_exit(0) };
    alarm 10;
    my $request = <$client> // '';
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my $body = qq({"stand_in":"$user","data":{"healthy":true}}\n);
    print $client "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
    close $client;
    POSIX::_exit(0);
}
