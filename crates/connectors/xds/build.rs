//! Compiles the xDS definitions without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = [
        "proto/discovery.proto",
        "proto/cluster.proto",
        "proto/endpoint.proto",
        "proto/resources.proto",
    ];
    let files = protox::compile(protos, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(files)?;
    for proto in protos {
        println!("cargo:rerun-if-changed={proto}");
    }
    Ok(())
}
