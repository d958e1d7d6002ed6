module cotas.local/cotas

go 1.18
