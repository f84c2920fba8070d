// Every limit hpcc puts on bytes it did not make itself, in one place. Units are in the names.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hpcc::limits {

inline constexpr size_t kFrameBytes = 64u << 20;         // one frame on the local socket
inline constexpr size_t kArgvCount = 65536;              // arguments of one command, response files expanded
inline constexpr size_t kArgvBytes = 8u << 20;           // all arguments together
inline constexpr size_t kEnvBytes = 4u << 20;            // the environment of one command
inline constexpr size_t kPathBytes = 4096;               // one path
inline constexpr size_t kResponseFileBytes = 8u << 20;   // one response file
inline constexpr size_t kResponseFileDepth = 16;         // nesting of response files
inline constexpr size_t kDepFileBytes = 16u << 20;       // one dependency file
inline constexpr size_t kStdioBytes = 16u << 20;         // captured stdout or stderr of one compile
inline constexpr size_t kOutputBytes = size_t{4} << 30;  // one output file
inline constexpr size_t kInputs = 1u << 17;              // inputs of one Manifest
inline constexpr size_t kManifestBytes = 64u << 20;      // one encoded Manifest
inline constexpr size_t kManifestsPerKey = 16;           // Manifests kept for one DirectKey, newest first
inline constexpr size_t kQuarantined = 1024;             // keys in quarantine
inline constexpr size_t kQuarantinedWhole = 16;          // of those, with both results kept
inline constexpr size_t kQuarantinedBytes = 64u << 20;   // of one: both results together, or they are not kept
inline constexpr size_t kQuarantineReportBytes = 1u << 20;
inline constexpr size_t kRemoteOutputs = 4096;           // outputs of one remote compile
inline constexpr size_t kInputBytes = 256u << 20;         // one input of a remote compile
inline constexpr size_t kRemoteOutputBytes = 256u << 20;  // all outputs of a remote compile
inline constexpr size_t kKnownBlobs = 1u << 20;          // blobs remembered as being at one worker
inline constexpr size_t kConnections = 4096;             // launchers served at once
inline constexpr size_t kKeptDescriptors = 1024;         // of compilers whose launchers were killed

inline constexpr size_t kImageJsonBytes = 4u << 20;           // one index, manifest or config of an OCI image
inline constexpr size_t kImageManifests = 256;                // in one index
inline constexpr size_t kImageLayers = 128;                   // of one image
inline constexpr uint64_t kImageBytes = uint64_t{8} << 30;    // all layers as they are stored
inline constexpr uint64_t kImageTarBytes = uint64_t{16} << 30;  // one layer decompressed
inline constexpr uint64_t kImageTreeBytes = uint64_t{16} << 30;  // all files of the flattened tree
inline constexpr uint64_t kImageEntries = 2'000'000;          // entries of all layers together
inline constexpr uint32_t kImageDepth = 100;                  // directories in directories
inline constexpr size_t kImageNameBytes = 255;                // one component of a path

// Between client, scheduler and worker.
inline constexpr size_t kIdentityBytes = 256;             // the URI of a certificate
inline constexpr size_t kCertificateBytes = 64u << 10;    // one PEM file
inline constexpr int kRpcMessageBytes = 16 << 20;         // one message of the Remote Execution API
inline constexpr size_t kRpcMetadataBytes = 32u << 10;    // headers of one call
inline constexpr int kSchedulerMessageBytes = 64 << 10;   // one message to the scheduler
inline constexpr size_t kBatchBytes = 4u << 20;           // blobs of one batch call, together
inline constexpr size_t kSeenOfWorker = 256;            // notes of one worker's log that a client keeps
inline constexpr size_t kSeenNotes = 16384;             // of all workers' logs
inline constexpr size_t kBatchCount = 20000;              // digests of one call
inline constexpr uint64_t kBlobBytes = uint64_t{1} << 30;  // one blob of the worker's store
inline constexpr uint64_t kInFlightBytes = uint64_t{4} << 30;        // calls' blobs on their way through a worker
inline constexpr uint64_t kTenantInFlightBytes = uint64_t{2} << 30;  // of these, one tenant's
inline constexpr size_t kResourceNameBytes = 512;         // of ByteStream
inline constexpr size_t kActionBytes = 64u << 10;         // a serialised Action
inline constexpr size_t kCommandBytes = 1u << 20;         // a serialised Command
inline constexpr size_t kDirectoryBytes = 8u << 20;       // a serialised Directory
inline constexpr size_t kTreeDirectories = 20000;         // directories of one input tree, repeats counted
inline constexpr size_t kTreeFiles = 50000;               // its files, repeats counted
inline constexpr size_t kTreeDepth = 64;
inline constexpr uint64_t kTreeBytes = uint64_t{1} << 30;  // its files' contents, repeats counted
inline constexpr size_t kActionOutputs = 240;
inline constexpr uint32_t kActionTimeoutMs = 600'000;     // longer ones are refused
inline constexpr uint64_t kGuestMemoryBytes = uint64_t{1} << 40;  // a microVM's; bounds arithmetic
inline constexpr uint32_t kVirtqueueSize = 1024;
inline constexpr uint32_t kVirtqueueChain = 64;        // descriptors of one buffer
inline constexpr uint32_t kVsockPacketBytes = 64u << 10;
inline constexpr uint32_t kVsockBufferBytes = 256u << 10;  // held for the host, per connection
inline constexpr size_t kVsockConnections = 64;

inline constexpr size_t kProbesBytes = 8u << 20;         // encoded failed probes of one compile
inline constexpr size_t kProbeNames = 1u << 17;          // directories, groups, names of a group: each
inline constexpr size_t kProbePaths = 4u << 20;          // names × directories, all groups together
inline constexpr size_t kGuestInputs = 1u << 16;         // inputs of one compile in a guest
inline constexpr size_t kGuestOutputs = 240;             // outputs of one compile in a guest
inline constexpr size_t kGuestCompiles = 64;             // at once in one guest; as many more may be ending
inline constexpr size_t kGuestCompileBytes = 32u << 20;  // one encoded compile request
inline constexpr size_t kGuestChunkBytes = 256u << 10;   // one part of a blob or output on the stream
inline constexpr size_t kGuestMessageBytes = 64u << 10;  // one message text of an agent
inline constexpr uint64_t kDefaultCacheBytes = uint64_t{10} << 30;

}  // namespace hpcc::limits
