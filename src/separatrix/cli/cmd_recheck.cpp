#include "separatrix/base/file.h"
#include "separatrix/base/json.h"
#include "separatrix/cli/session.h"

namespace separatrix {

/// `separatrix recheck CERTIFICATE FILE`
void add_recheck(Command command, Session& session) {
  struct Options {
    std::string certificate, file;
    Threads threads;
  };
  auto o = std::make_shared<Options>();
  command.argument("CERTIFICATE", o->certificate, "what `separatrix certify -o` wrote");
  command.argument("FILE", o->file, "the model file it speaks of");
  command.option("threads", o->threads.count, "changes no result");
  command.run([o, &session] {
    const Catalogue& catalogue = session.catalogue;
    const Certificate certificate =
        read_certificate(parse_json(read_file(o->certificate), o->certificate), o->certificate);
    const ModelFile file = load_model(session, o->file);
    const auto task =
        catalogue.tasks.make(certificate.claim.task, certificate.claim.task_config, o->certificate);
    const std::string wrong =
        recheck(certificate, {*task, file.weights, catalogue.blocks, o->threads.checked()},
                catalogue.certificates);
    session.exit_code = wrong.empty() ? 0 : 1;
    session.print({{"valid", wrong.empty()}, {"reason", wrong}},
                  wrong.empty() ? "valid\n" : "not valid: " + wrong + "\n");
  });
}

}  // namespace separatrix
