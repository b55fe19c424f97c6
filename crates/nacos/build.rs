//! Compiles the Nacos wire definitions without needing `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = protox::compile(["proto/nacos.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".Body")
        .codec_path("crate::codec::SmallBuffers")
        .compile_fds(files)?;
    println!("cargo:rerun-if-changed=proto/nacos.proto");
    Ok(())
}
