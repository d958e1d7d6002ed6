//! What goes wrong, in the reader's language. The engine says it in English; Portuguese has a
//! sentence for each number that a page can meet.

use cotas::{FieldProblem, Language};

use crate::problem::Problem;

/// What an error means, by its number. `None`: there is no sentence for it.
const fn portuguese(code: i32) -> Option<&'static str> {
    Some(match code {
        300 => "O catálogo tem um erro.",
        330 => "O documento não é válido.",
        400 => "Não há empresa com este nome.",
        401 => "Já há uma empresa com este nome.",
        402 => "O catálogo não tem este recurso.",
        404 => "O catálogo não tem este plano.",
        406 => "Um valor não é válido.",
        407 => "Este formulário já foi enviado com outros valores. Recarregue a página.",
        408 => "A situação atual não permite esta mudança.",
        409 => "A empresa não tem assinatura.",
        421 => "Nenhum plano tem esta funcionalidade.",
        422 => "O catálogo não tem este pacote.",
        423 => "Não há fatura com este número.",
        424 => "Este pacote não está à venda para esta empresa.",
        425 => "O documento já é de outra empresa.",
        426 => "Só gerentes veem isto.",
        428 => "O plano não tem preço: dê antes um preço próprio à empresa.",
        500 => "A empresa está sendo alterada por outra pessoa. Tente novamente.",
        _ => return None,
    })
}

/// What is wrong with a request, for people.
pub(super) fn problem(problem: &Problem, language: Language) -> String {
    match (language, problem.code().and_then(portuguese)) {
        (Language::Portuguese, Some(sentence)) => {
            format!("{sentence} ({})", problem.detail())
        }
        _ => problem.detail().to_owned(),
    }
}

/// What is wrong with one field of a form, for people.
pub(super) fn field(problem: &FieldProblem, language: Language) -> String {
    if language == Language::English {
        // The field says already what is wrong.
        let message = problem.message.split_once(": ").map_or(&*problem.message, |(_, why)| why);
        return message.to_owned();
    }
    let is_missing = problem.message.contains("missing") || problem.message.contains("0 bytes");
    let by_field = match problem.field.as_str() {
        "name" if problem.code != 401 => "Informe um nome em uma linha, sem espaços nas pontas.",
        "holder.document.number" | "holder.document" if problem.code == 330 => {
            "O número não é válido: confira os dígitos."
        }
        "holder.administrator.name" => "Informe o nome do administrador.",
        "holder.administrator.email" => "Informe um e-mail válido: será o login.",
        "holder.administrator.phone" => "Informe um telefone.",
        "holder.address.cep" => "Informe um CEP com oito dígitos.",
        "holder.trade_name" | "holder.legal_name" => "Informe um nome em uma linha.",
        "plan.first_due" => "Informe um vencimento de hoje em diante.",
        "plan.name" if is_missing => "Escolha um plano.",
        field if field.starts_with("limits.") => "Informe um número, ou marque sem limite.",
        _ if is_missing => "Preencha este campo.",
        _ => portuguese(problem.code).unwrap_or(&problem.message),
    };
    by_field.to_owned()
}
