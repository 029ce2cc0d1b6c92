"""A throw-away certificate authority with a server and a client certificate, made by openssl(1)."""

import os

DAYS = "2"


def make(launcher, server_usage="serverAuth"):
    """Makes the files in the launcher's `tls` folder and returns their paths.

    The server certificate is for localhost, 127.0.0.1 and ::1. The client's common name is `guest`, which is
    also the broker's account, so that EXTERNAL authentication works. `stranger_ca` signed nothing here:
    trusting only it must fail.
    """
    folder = launcher.path("tls")
    os.mkdir(folder, 0o700)
    launcher.own()
    at = lambda name: os.path.join(folder, name)

    def authority(name):
        launcher.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", DAYS, "-subj", f"/CN=nephoscope test {name}", "-keyout", at(f"{name}.key"),
             "-out", at(f"{name}.pem"),
             "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        )  # fmt: skip

    def certificate(name, common_name, usage, alternative):
        launcher.run(
            ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", f"/CN={common_name}", "-keyout", at(f"{name}.key"), "-out", at(f"{name}.csr")]
        )  # fmt: skip
        extensions = launcher.write(
            f"tls/{name}.ext",
            f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
            f"extendedKeyUsage={usage}\nsubjectAltName={alternative}\n",
            0o644,
        )
        launcher.run(
            ["openssl", "x509", "-req", "-in", at(f"{name}.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"),
             "-CAcreateserial", "-days", DAYS, "-extfile", extensions, "-out", at(f"{name}.pem")]
        )  # fmt: skip

    authority("ca")
    authority("stranger_ca")
    certificate("server", "localhost", server_usage, "DNS:localhost,IP:127.0.0.1,IP:::1")
    certificate("client", "guest", "clientAuth", "DNS:guest")
    return {
        "ca": at("ca.pem"),
        "stranger_ca": at("stranger_ca.pem"),
        "server_certificate": at("server.pem"),
        "server_key": at("server.key"),
        "client_certificate": at("client.pem"),
        "client_key": at("client.key"),
    }
